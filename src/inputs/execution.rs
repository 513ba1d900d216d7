//! What executing a network needs besides a design: its values and images.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::explore::Origin;
use crate::tensor::TensorFile;
use crate::workload::{EvaluationSet, ParameterSource, Params, Samples, Workload};

use super::{Failure, WORKLOADS_VARIABLE, named_by};

/// Seed of all synthetic values.
const SEED: u64 = 0;

/// A network's values.
#[derive(Clone, Debug)]
pub struct Values {
    /// The values.
    pub params: Params,
    /// Where they are from.
    pub origin: Origin,
}

/// Where images come from.
#[derive(Clone, Debug)]
pub enum ImageSource<'a> {
    /// These.
    Given(&'a TensorFile),
    /// The network's evaluation set, all or some of it; one synthetic image for a network that names none.
    EvaluationSet(Option<Range<usize>>),
}

/// The values of a network that was read from `file`: its trace, its model's, or seeded synthetic ones.
///
/// # Errors
/// When the trace cannot be read, is not compiled in, or the workload is a list of matrix products.
pub fn values(workload: &Workload, file: Option<&Path>) -> Result<Values, Failure> {
    let (params, origin) = match (workload.parameters(), file) {
        (ParameterSource::Trace(trace), Some(file)) => {
            let params = Params::read(trace, workload.network())
                .map_err(|error| named_by(file, "parameters.trace", error))?;
            (params, Origin::Trace)
        }
        (ParameterSource::Trace(_), None) => {
            let name = workload.name();
            return Err(format!(
                "{name}: its trace is not compiled in; run beside the repository's `workloads` folder or set \
                 {WORKLOADS_VARIABLE} to it"
            )
            .into());
        }
        (ParameterSource::Model, _) => {
            let model = workload.model().ok_or("a model without its values")?;
            (model.params().clone(), Origin::Trace)
        }
        (ParameterSource::None, _) => {
            let params = Params::synthetic(workload.network(), SEED).ok_or_else(|| {
                format!("{}: a list of matrix products has shapes only; expected a network", workload.name())
            })?;
            (params, Origin::Synthetic(SEED))
        }
    };
    Ok(Values { params, origin })
}

/// The images that a network read from `file` is executed on.
///
/// # Errors
/// When they do not fit the network, or more are asked for than there are.
pub fn samples(
    workload: &Workload,
    file: Option<&Path>,
    source: ImageSource<'_>,
) -> Result<Samples, Failure> {
    let network = workload.network();
    let evaluation = workload.evaluation();
    let range = match source {
        ImageSource::Given(images) => {
            if let Some(model) = workload.model() {
                return Ok(Samples::of_model(images, model)?);
            }
            let normalization = evaluation.map(|evaluation| &evaluation.normalization);
            return Ok(Samples::from_file(images, network, normalization)?);
        }
        ImageSource::EvaluationSet(range) => range,
    };
    let (Some(evaluation), Some(file)) = (evaluation, file) else {
        return match range {
            None => Ok(Samples::synthetic(network, SEED)),
            Some(_) => Err(format!(
                "--samples: {} names no evaluation set; give images with --input, or neither for one synthetic image",
                workload.name()
            )
            .into()),
        };
    };
    let classes = network.output().shape.elements();
    let set = EvaluationSet::read(&evaluation.path, network.image().shape, classes)
        .map_err(|error| named_by(file, "evaluation.set", error))?;
    let set = Arc::new(set);
    let range = range.unwrap_or(0..set.len());
    Samples::of_set(&set, &evaluation.normalization, range.clone()).ok_or_else(|| {
        format!("--samples {}..{}: the evaluation set has {} images", range.start, range.end, set.len())
            .into()
    })
}
