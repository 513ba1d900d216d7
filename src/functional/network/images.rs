//! Many images at once, on all threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::workload::{EvaluationSet, Normalization};

use super::super::error::ExecutionError;
use super::{Classification, Executable, LayerStatistics, Outputs, Workspace, check_length};

impl Executable {
    /// Executes `count` images, NHWC and normalized, on all threads of the current rayon pool. Returns what
    /// `take` makes of each, in order; the result does not depend on the number of threads.
    pub fn run_many<T: Send>(
        &self,
        count: usize,
        image: impl Fn(usize) -> Vec<f32> + Sync,
        take: impl Fn(&Workspace, Outputs) -> Result<T, ExecutionError> + Sync,
    ) -> Result<Vec<T>, ExecutionError> {
        // As many workspaces as images run at once: a fresh one costs its page faults.
        let idle = Mutex::new(Vec::new());
        let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |index| {
            let workspace = idle().pop();
            let mut workspace = workspace.unwrap_or_else(|| self.workspace());
            let outputs = self.run_in(&mut workspace, &image(index));
            let taken = outputs.and_then(|outputs| take(&workspace, outputs));
            idle().push(workspace);
            taken
        };
        let taken: Vec<_> = (0..count).into_par_iter().with_max_len(1).map(one).collect();
        let image_error = |(index, taken): (usize, Result<T, ExecutionError>)| {
            taken.map_err(|source| ExecutionError::Image { index, source: Box::new(source) })
        };
        taken.into_iter().enumerate().map(image_error).collect()
    }

    /// Classifies every image of a set on all threads of the current rayon pool; the result does not
    /// depend on their number. `progress` is told how many images are done, after each.
    pub fn classify(
        &self,
        set: &EvaluationSet,
        normalization: &Normalization,
        progress: impl Fn(usize) + Sync,
    ) -> Result<Classification, ExecutionError> {
        let image = self.edges[0].shape;
        check_length("mean", image.channels, normalization.mean.len())?;
        check_length("standard deviation", image.channels, normalization.std.len())?;
        let classes = self.edges.last().map_or(0, |edge| edge.shape.elements());
        if classes > 1 << 16 {
            return Err(ExecutionError::Classes(classes));
        }
        let done = AtomicUsize::new(0);
        let image = |index| normalization.apply(set.image(index));
        let outputs = self.run_many(set.len(), image, |_, outputs| {
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            let class = outputs.top1().ok_or(ExecutionError::NoClass)?;
            Ok((class as u16, outputs.statistics)) // below 65,536
        })?;
        let mut classification = Classification {
            predictions: Vec::with_capacity(set.len()),
            correct: 0,
            statistics: vec![LayerStatistics::default(); self.layers.len()],
        };
        for (index, (prediction, statistics)) in outputs.into_iter().enumerate() {
            classification.correct += u64::from(prediction == set.label(index));
            classification.predictions.push(prediction);
            for (total, layer) in classification.statistics.iter_mut().zip(statistics) {
                *total = total.merge(layer);
            }
        }
        Ok(classification)
    }
}
