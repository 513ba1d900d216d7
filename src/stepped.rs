//! The array as registers, PE by PE and cycle by cycle: values and cycles.
//!
//! Control only says when a fold's first operands enter. Everything else follows from registers that
//! move by one PE per cycle; a register overwritten while needed, two values at one port or a sum read
//! before it is there is a [`Violation`]. The cycle count is the cycle in which the last sum becomes
//! readable. Generic over the [`Payload`] that the registers carry, so that cycles cannot depend on
//! values. Knows mapping and numerics; must not know the closed forms or the engines that it checks.

mod accumulator;
mod control;
mod held;
mod output_stationary;
mod part;
mod payload;
mod registers;
mod tag;
mod violation;
mod watch;
mod wave;
mod weight_stationary;

use crate::mapping::{Dataflow, Schedule};

pub use accumulator::Arrival;
pub use control::{Control, Loading, Start};
pub use held::WeightWrites;
pub use payload::{Bf16Payload, IntegerPayload, LanePayload, Operands, Payload, Preloaded};
pub use violation::{Conflict, Violation};
pub use watch::{PeState, Watch};

use output_stationary::output_stationary;
use part::Part;
use payload::Swapped;
use weight_stationary::weight_stationary;

/// What the machine did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<S> {
    /// The cycle in which the last sum is readable in the accumulator: cycles that the layer takes.
    pub cycles: u64,
    /// Accumulators, `[group][m][n]`.
    pub outputs: Vec<S>,
    /// Registers of the stationary operand that were written; none in an output-stationary array.
    pub weight_writes: WeightWrites,
}

/// What one array did; None where another array has the output.
struct ArrayRun<S> {
    cycles: u64,
    outputs: Vec<Option<S>>,
    weight_writes: WeightWrites,
}

/// Runs a layer. `starts` says when each fold of the schedule enters, in order. An input-stationary
/// array is the weight-stationary one with the roles of the operands swapped. Several arrays run in
/// lockstep, each with its part of every fold.
///
/// # Errors
/// When these starts make two values meet, overwrite a register that is needed or read too early.
///
/// # Panics
/// When there is not one start per fold, or the payload has fewer output channels per PE than the
/// schedule.
pub fn run<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    payload: &P,
) -> Result<Run<P::Output>, Violation> {
    run_observed(schedule, control, starts, payload, &mut |_| {})
}

/// The same, and tells of every sum that becomes readable, array by array in the order of cycles.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_observed<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    payload: &P,
    observe: &mut impl FnMut(Arrival<P::Output>),
) -> Result<Run<P::Output>, Violation> {
    run_watched(schedule, control, starts, payload, observe, None)
}

/// The same, and tells of the registers of every PE after every cycle.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_watched<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    payload: &P,
    observe: &mut impl FnMut(Arrival<P::Output>),
    mut watch: Option<&mut Watch<'_, P::Output>>,
) -> Result<Run<P::Output>, Violation> {
    let mut cycles = 0;
    let mut outputs = vec![None; schedule.gemm.outputs() as usize];
    let mut weight_writes = WeightWrites::default();
    for array in 0..schedule.arrays {
        let parts = Part::of(schedule, array);
        assert_eq!(starts.len(), parts.len(), "one start per fold");
        let run = match schedule.dataflow {
            Dataflow::Ws => {
                weight_stationary(schedule, control, starts, &parts, payload, observe, watch.as_deref_mut())?
            }
            Dataflow::Is => weight_stationary(
                schedule,
                control,
                starts,
                &parts,
                &Swapped(payload),
                observe,
                watch.as_deref_mut(),
            )?,
            Dataflow::Os => {
                output_stationary(schedule, control, starts, &parts, payload, observe, watch.as_deref_mut())?
            }
        };
        cycles = cycles.max(run.cycles);
        weight_writes += run.weight_writes;
        for (output, found) in outputs.iter_mut().zip(run.outputs) {
            *output = output.or(found);
        }
    }
    Ok(Run { cycles, outputs: outputs.into_iter().flatten().collect(), weight_writes })
}

/// Cycles that the array is busy with a layer, from the first operand to the last accumulator update,
/// each fold beginning as early as the array allows. Takes about rows · columns · arrays steps per
/// cycle.
///
/// # Errors
/// Never, unless the rule of [`Control::starts`] were wrong.
pub fn layer_cycles(schedule: &Schedule, control: &Control) -> Result<u64, Violation> {
    let starts = control.starts(schedule, Loading::Latest);
    run(schedule, control, &starts, &()).map(|run| run.cycles)
}
