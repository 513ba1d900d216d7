//! The input-stationary array: the weight-stationary one with the roles of the operands swapped.

use crate::mapping::Schedule;

use super::Run;
use super::control::{Control, Start};
use super::payload::Payload;
use super::violation::Violation;
use super::weight_stationary::weight_stationary;

/// The layer with its operands swapped: its activations are what stays.
struct Swapped<'a, P>(&'a P);

impl<P: Payload> Payload for Swapped<'_, P> {
    type Word = P::Word;
    type Sum = P::Sum;

    fn activation(&self, group: u64, m: u64, k: u64, lanes: u64) -> P::Word {
        self.0.weight(group, m, k, lanes)
    }

    fn weight(&self, group: u64, n: u64, k: u64, lanes: u64) -> P::Word {
        self.0.activation(group, n, k, lanes)
    }

    fn zero(&self) -> P::Sum {
        self.0.zero()
    }

    fn step(&self, sum: P::Sum, activation: P::Word, weight: P::Word) -> P::Sum {
        self.0.step(sum, weight, activation)
    }

    fn join(&self, accumulator: Option<P::Sum>, fold: P::Sum) -> P::Sum {
        self.0.join(accumulator, fold)
    }
}

/// Runs a layer whose activations stay in the array; `starts` are those of the schedule's folds.
///
/// # Errors
/// As [`weight_stationary`].
///
/// # Panics
/// When there is not one start per fold.
pub fn input_stationary<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    payload: &P,
) -> Result<Run<P::Sum>, Violation> {
    weight_stationary(schedule, control, starts, &Swapped(payload))
}
