//! Operators that move nothing: other shapes and names of the same elements, constants.

use super::graph::Node;
use super::lowering::{Dequantized, Lowerer, Outcome, Value};
use super::reader::{Constant, Values};

impl Lowerer<'_> {
    /// The same elements under another name and shape.
    pub(super) fn view(&mut self, node: &Node) -> Outcome<String> {
        let value = self.value(node.input(0))?.clone();
        let reshaped = |dims: &[usize]| -> Outcome<Vec<usize>> {
            let elements: usize = dims.iter().product();
            match node.operator.as_str() {
                "Flatten" => {
                    let axis = node.int("axis", 1);
                    if axis == 1 && !dims.is_empty() {
                        Ok(vec![dims[0], elements / dims[0].max(1)])
                    } else {
                        Err(format!("axis {axis}; expected 1"))
                    }
                }
                "Reshape" => {
                    if node.int("allowzero", 0) != 0 {
                        return Err("expected allowzero = 0".to_owned());
                    }
                    let shape = self
                        .constant(node.input(1))?
                        .integers()
                        .ok_or("its shape is not integers; expected INT64")?;
                    reshape(dims, &shape)
                }
                _ => Ok(dims.to_vec()),
            }
        };
        let viewable = |from: &[usize], to: &[usize]| {
            let trimmed = |dims: &[usize]| -> Vec<usize> {
                let used = dims.iter().rposition(|&size| size != 1).map_or(0, |last| last + 1);
                dims[..used].to_vec()
            };
            let flat = to.len() == 2 && (to[0] == 1 || from.len() == 2);
            if from == to || flat || (to.len() == 4 && trimmed(from) == trimmed(to)) {
                Ok(())
            } else {
                Err(format!("from {from:?} to {to:?}; expected a flattening, or sizes of 1 added or removed"))
            }
        };
        match value {
            Value::Constant(constant) => {
                let dims = reshaped(&constant.dims)?;
                self.set(node, Value::Constant(Constant { dims, values: constant.values }));
            }
            Value::DequantizedConstant(constant) if node.operator == "Identity" => {
                self.set(node, Value::DequantizedConstant(constant));
            }
            Value::DequantizedConstant(_) => return Err(
                "a dequantized constant is not reshaped; expected a tensor that depends on the graph's input"
                    .to_owned(),
            ),
            Value::Edge { edge, dims } => {
                let to = reshaped(&dims)?;
                viewable(&dims, &to)?;
                self.alias(node.output(), edge, to);
            }
            Value::Dequantized(from) => {
                let to = reshaped(&from.dims)?;
                viewable(&from.dims, &to)?;
                if from.scales.len() != 1 && to != from.dims {
                    return Err(
                        "a tensor with a scale per channel is not reshaped; expected one scale".to_owned()
                    );
                }
                self.set(node, Value::Dequantized(Dequantized { dims: to, ..from }));
            }
        }
        Ok("the same elements".to_owned())
    }

    pub(super) fn constant_of_shape(&mut self, node: &Node) -> Outcome<String> {
        let shape =
            self.constant(node.input(0))?.integers().ok_or("its shape is not integers; expected INT64")?;
        let dims = super::reader::dims(&shape)?;
        let count: usize = dims.iter().product();
        let one = match node.tensor("value", &self.graph.folder) {
            Some(value) => value?.values,
            None => Values::F32(vec![0.0]),
        };
        let values = match one {
            Values::F32(value) if value.len() == 1 => Values::F32(vec![value[0]; count]),
            Values::I32(value) if value.len() == 1 => Values::I32(vec![value[0]; count]),
            Values::I64(value) if value.len() == 1 => Values::I64(vec![value[0]; count]),
            Values::Integer(format, value) if value.len() == 1 => {
                Values::Integer(format, vec![value[0]; count])
            }
            _ => return Err(
                "its value must have one element; expected FLOAT, INT8, UINT8, INT4, UINT4, INT32 or INT64"
                    .to_owned(),
            ),
        };
        self.set(node, Value::Constant(Constant { dims, values }));
        Ok("a constant".to_owned())
    }
}

fn reshape(dims: &[usize], shape: &[i64]) -> Outcome<Vec<usize>> {
    let elements: usize = dims.iter().product();
    let fail =
        || format!("from {dims:?} to {shape:?}; expected as many elements, one size at most left out as -1");
    let mut to = Vec::with_capacity(shape.len());
    for (index, &size) in shape.iter().enumerate() {
        to.push(match size {
            0 => *dims.get(index).ok_or_else(fail)?,
            -1 => 0,
            size => usize::try_from(size).map_err(|_| fail())?,
        });
    }
    let known = to.iter().filter(|&&size| size != 0).try_fold(1usize, |all, &size| all.checked_mul(size));
    let known = known.filter(|&known| known > 0).ok_or_else(fail)?;
    let mut inferred = to.iter_mut().filter(|size| **size == 0);
    match (inferred.next(), inferred.next()) {
        (None, _) if known == elements => Ok(to),
        (Some(size), None) if elements.is_multiple_of(known) => {
            *size = elements / known;
            Ok(to)
        }
        _ => Err(fail()),
    }
}
