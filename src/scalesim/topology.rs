//! SCALE-Sim's topology files: one layer per line, as a convolution or as a matrix product.

use std::ops::Range;

use crate::source::{SourceError, SourceFile};

use super::layer::{Layer, MAX_EXTENT, Shape};

/// Layers of a file, those of depthwise rows counted one by one.
const MAX_LAYERS: usize = 1 << 16;
const CONVOLUTION_COLUMNS: [&str; 8] = [
    "Layer name",
    "IFMAP height",
    "IFMAP width",
    "Filter height",
    "Filter width",
    "Channels",
    "Num filter",
    "Stride",
];
const GEMM_COLUMNS: [&str; 4] = ["Layer name", "M", "N", "K"];

/// What a file's columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopologyKind {
    /// `-i conv`.
    Convolution,
    /// `-i gemm`.
    Gemm,
}

/// The layers of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// In the order of the file.
    pub layers: Vec<Layer>,
    /// What was tolerated, each with its place.
    pub warnings: Vec<String>,
}

/// A row's values and where they stand.
struct Row<'a> {
    file: &'a SourceFile,
    columns: &'static [&'static str],
    values: Vec<(&'a str, Range<usize>)>,
}

impl Row<'_> {
    fn number(&self, column: usize) -> Result<u64, SourceError> {
        let (text, span) = &self.values[column];
        text.parse().ok().filter(|number| (1..=MAX_EXTENT).contains(number)).ok_or_else(|| {
            let column = self.columns.get(column).copied().unwrap_or("Stride width");
            let message =
                format!("column `{column}`: `{text}`: expected a whole number from 1 to {MAX_EXTENT}");
            self.file.error(span.clone(), message)
        })
    }

    fn span(&self) -> Range<usize> {
        match (self.values.first(), self.values.last()) {
            (Some((_, first)), Some((_, last))) => first.start..last.end,
            _ => 0..0,
        }
    }

    fn name(&self) -> &str {
        self.values[0].0
    }

    fn layer(&self, name: String, shape: Shape) -> Result<Layer, SourceError> {
        Layer::new(name, shape).map_err(|message| self.file.error(self.span(), message))
    }
}

impl Topology {
    /// Reads a file. The first line is a header, whatever it says.
    pub fn parse(file: &SourceFile, kind: TopologyKind) -> Result<Self, SourceError> {
        let columns: &'static [&'static str] = match kind {
            TopologyKind::Convolution => &CONVOLUTION_COLUMNS,
            TopologyKind::Gemm => &GEMM_COLUMNS,
        };
        let mut topology = Self { layers: Vec::new(), warnings: Vec::new() };
        let mut start = 0;
        for (index, line) in file.text().split_inclusive('\n').enumerate() {
            let values = values(line, start);
            start += line.len();
            let row = Row { file, columns, values };
            if index == 0 {
                if row.values.len() >= columns.len()
                    && row.values[1..columns.len()].iter().all(|(text, _)| text.parse::<u64>().is_ok())
                {
                    let message = "the first line is a header and skipped, though it looks like a layer";
                    topology.warnings.push(file.warning(0, message));
                }
                continue;
            }
            if row.values.is_empty() {
                continue;
            }
            if row.values.len() < columns.len() {
                let message = format!(
                    "{} values; expected {}: {}",
                    row.values.len(),
                    columns.len(),
                    columns.join(", ")
                );
                return Err(file.error(row.span(), message));
            }
            match kind {
                TopologyKind::Convolution => topology.add_convolution(&row)?,
                TopologyKind::Gemm => topology.add_gemm(&row)?,
            }
            if topology.layers.len() > MAX_LAYERS {
                return Err(file.error(row.span(), format!("more than {MAX_LAYERS} layers")));
            }
        }
        if topology.layers.is_empty() {
            return Err(file.error_in_file(format!("no layer; expected rows of {}", columns.join(", "))));
        }
        Ok(topology)
    }

    /// A row's layer; one per channel where the name says depthwise.
    fn add_convolution(&mut self, row: &Row<'_>) -> Result<(), SourceError> {
        let stride_height = row.number(7)?;
        // v2 has the other stride in the ninth column, v3 a sparsity.
        let stride_width = match row.values.get(8) {
            Some((text, _)) if !text.is_empty() && !text.contains(':') => row.number(8)?,
            _ => stride_height,
        };
        self.ratio(row, 8)?;
        let shape = Shape {
            ifmap_height: row.number(1)?,
            ifmap_width: row.number(2)?,
            filter_height: row.number(3)?,
            filter_width: row.number(4)?,
            channels: row.number(5)?,
            filters: row.number(6)?,
            stride_height,
            stride_width,
        };
        if !row.name().contains("DP") {
            self.layers.push(row.layer(row.name().to_owned(), shape)?);
            return Ok(());
        }
        for channel in 0..shape.channels.min(MAX_LAYERS as u64 + 1) {
            let name = format!("{}Channel_{channel}", row.name());
            self.layers.push(row.layer(name, Shape { channels: 1, ..shape })?);
        }
        Ok(())
    }

    fn add_gemm(&mut self, row: &Row<'_>) -> Result<(), SourceError> {
        let shape = Shape::matrix_product(row.number(1)?, row.number(2)?, row.number(3)?);
        self.ratio(row, 4)?;
        self.layers.push(row.layer(row.name().to_owned(), shape)?);
        Ok(())
    }

    /// Checks the sparsity ratio, which means nothing while sparsity is off, and what follows it.
    fn ratio(&mut self, row: &Row<'_>, column: usize) -> Result<(), SourceError> {
        for (index, (text, span)) in
            row.values.iter().enumerate().skip(column).filter(|(_, (text, _))| !text.is_empty())
        {
            let ratio = text.split_once(':').filter(|_| index == column);
            match ratio {
                Some((n, m)) if [n, m].iter().any(|number| number.trim().parse::<u64>().is_err()) => {
                    let message = format!("column `Sparsity`: `{text}`: expected two whole numbers, N:M");
                    return Err(row.file.error(span.clone(), message));
                }
                Some((n, m)) if n.trim() == m.trim() => {}
                Some(_) => {
                    let message = format!("sparsity {text} is ignored: sparsity is off");
                    self.warnings.push(row.file.warning(span.start, &message));
                }
                None if index == column && row.columns.len() == CONVOLUTION_COLUMNS.len() => {}
                None => self.warnings.push(row.file.warning(span.start, &format!("`{text}` is ignored"))),
            }
        }
        Ok(())
    }
}

/// The values of a line without the empty ones at its end: the trailing comma may be missing.
fn values(line: &str, start: usize) -> Vec<(&str, Range<usize>)> {
    let mut values = Vec::new();
    let mut at = start;
    for field in line.trim_end_matches(['\n', '\r']).split(',') {
        let text = field.trim();
        let first = at + (field.len() - field.trim_start().len());
        values.push((text, first..first + text.len().max(1)));
        at += field.len() + 1;
    }
    while values.last().is_some_and(|(text, _)| text.is_empty()) {
        values.pop();
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, kind: TopologyKind) -> Result<Topology, SourceError> {
        Topology::parse(&SourceFile::embedded("t.csv", text), kind)
    }

    #[test]
    fn rows_are_read_tolerantly() {
        let text = "header\n\n a , 8,9,3,3,2,4,1,\r\n,,,,\nb,8,9,3,3,2,4,2\nc,8,9,3,3,2,4,2,1:1,\nd,8,9,3,3,2,4,2,1,,,\n";
        let topology = parse(text, TopologyKind::Convolution).unwrap();
        let strides: Vec<_> = topology
            .layers
            .iter()
            .map(|layer| (layer.name(), layer.shape().stride_height, layer.shape().stride_width))
            .collect();
        assert_eq!(strides, [("a", 1, 1), ("b", 2, 2), ("c", 2, 2), ("d", 2, 1)]);
        assert!(topology.warnings.is_empty());
    }

    #[test]
    fn depthwise_rows_are_a_layer_per_channel() {
        let topology = parse("h\nxDPy,8,8,3,3,3,1,1,\n", TopologyKind::Convolution).unwrap();
        let names: Vec<_> =
            topology.layers.iter().map(|layer| (layer.name(), layer.shape().channels)).collect();
        assert_eq!(names, [("xDPyChannel_0", 1), ("xDPyChannel_1", 1), ("xDPyChannel_2", 1)]);
    }

    #[test]
    fn matrix_products_come_in_the_order_m_n_k() {
        let topology = parse("h\na,50,20,30,\n", TopologyKind::Gemm).unwrap();
        let layer = &topology.layers[0];
        assert_eq!((layer.pixels(), layer.filters(), layer.window()), (50, 20, 30));
    }

    #[test]
    fn what_is_ignored_is_said() {
        let topology = parse("a,8,8,3,3,2,4,1,\nb,8,8,3,3,2,4,1,2:4,7\n", TopologyKind::Convolution).unwrap();
        assert_eq!(
            topology.warnings,
            [
                "t.csv:1:1: the first line is a header and skipped, though it looks like a layer",
                "t.csv:2:17: sparsity 2:4 is ignored: sparsity is off",
                "t.csv:2:21: `7` is ignored",
            ]
        );
    }

    #[test]
    fn wrong_rows_are_refused_with_their_place() {
        for (row, kind, expected) in [
            (
                "a,8,8,3,3,2,4",
                TopologyKind::Convolution,
                "t.csv:2:1: 7 values; expected 8: Layer name, IFMAP height",
            ),
            (
                "a,8,8,3,x,2,4,1,",
                TopologyKind::Convolution,
                "t.csv:2:9: column `Filter width`: `x`: expected a whole number",
            ),
            ("a,8,8,3,3,2,4,0,", TopologyKind::Convolution, "t.csv:2:15: column `Stride`: `0`"),
            ("a,8,8,3,3,2,4,1,0,", TopologyKind::Convolution, "t.csv:2:17: column `Stride width`: `0`"),
            (
                "a,8,8,9,3,2,4,1,",
                TopologyKind::Convolution,
                "t.csv:2:1: filter height 9 is larger than the IFMAP's 8",
            ),
            ("a,8,8,3,3,2,4,1,2:x,", TopologyKind::Convolution, "t.csv:2:17: column `Sparsity`: `2:x`"),
            ("a,8,8", TopologyKind::Gemm, "t.csv:2:1: 3 values; expected 4: Layer name, M, N, K"),
            ("a,99999999999999999999,8,1,", TopologyKind::Gemm, "t.csv:2:3: column `M`"),
            ("a,16777216,16777216,16777216,", TopologyKind::Gemm, "t.csv:2:1: more than 70368744177664 MACs"),
            ("xDP,8,8,3,3,16777216,1,1,", TopologyKind::Convolution, "t.csv:2:1: more than 65536 layers"),
            (",,,", TopologyKind::Gemm, "t.csv: no layer; expected rows of Layer name, M, N, K"),
        ] {
            let error = parse(&format!("h\n{row}\n"), kind).unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
        }
    }
}
