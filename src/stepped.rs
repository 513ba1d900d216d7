//! The array as registers, PE by PE and cycle by cycle: values and cycles.
//!
//! Control only says when a fold's first operands enter. Everything else follows from registers that
//! move by one PE per cycle; a fold that begins before its turn, a register overwritten while needed, two values at
//! one port or a sum read before it is there is a [`Violation`]. The cycle count is the cycle in which the last sum becomes
//! readable. Generic over the [`Payload`] that the registers carry, so that cycles cannot depend on
//! values. Knows mapping and numerics; must not know the closed forms or the engines that it checks.

mod accumulator;
mod control;
mod held;
mod output_stationary;
mod part;
mod payload;
mod port;
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

use accumulator::{Accumulators, Observe};
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

/// What one array did.
struct ArrayRun {
    cycles: u64,
    weight_writes: WeightWrites,
}

/// Runs a layer. `starts` says when each fold of the schedule enters, in order. An input-stationary
/// array is the weight-stationary one with the roles of the operands swapped. Several arrays run in
/// lockstep, each with its part of every fold.
///
/// # Errors
/// When these starts are not in order, make two values meet, overwrite a register that is needed or read one too early.
///
/// # Panics
/// When there is not one start per fold, a fold has 2^32 vectors, or the payload has fewer output channels per PE than
/// the schedule.
pub fn run<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    payload: &P,
) -> Result<Run<P::Output>, Violation> {
    drive(schedule, control, starts, payload, None, None)
}

/// The same, and tells of every sum when it enters its accumulator, array by array in the order of cycles. It becomes
/// readable `accumulator_latency` cycles later, which a violation may prevent.
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
    drive(schedule, control, starts, payload, Some(observe), None)
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
    watch: Option<&mut Watch<'_, P::Output>>,
) -> Result<Run<P::Output>, Violation> {
    drive(schedule, control, starts, payload, Some(observe), watch)
}

/// Whether no fold begins before an earlier one.
fn in_order(dataflow: Dataflow, starts: &[Start]) -> Result<(), Violation> {
    for pair in starts.windows(2) {
        let (before, start) = (pair[0], pair[1]);
        let early = [(before.vector, start.vector), (before.load, start.load)];
        // Output-stationary, nothing is loaded.
        let early = if dataflow == Dataflow::Os { &early[..1] } else { &early };
        if let Some(&(_, cycle)) = early.iter().find(|(before, start)| start < before) {
            return Err(Violation { cycle, conflict: Conflict::OutOfOrder });
        }
    }
    Ok(())
}

fn drive<'a, P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    payload: &P,
    observe: Option<&'a mut Observe<'a, P::Output>>,
    mut watch: Option<&mut Watch<'_, P::Output>>,
) -> Result<Run<P::Output>, Violation> {
    in_order(schedule.dataflow, starts)?;
    let (outputs, empty) = (schedule.gemm.outputs() as usize, payload.lane(payload.zero(), 0));
    let mut accumulators = Accumulators::new(outputs, control.accumulator_latency, empty, observe);
    let mut cycles = 0;
    let mut weight_writes = WeightWrites::default();
    for array in 0..schedule.arrays {
        let parts = Part::of(schedule, array);
        assert_eq!(starts.len(), parts.len(), "one start per fold");
        let (accumulators, watch) = (&mut accumulators, watch.as_deref_mut());
        let run = match schedule.dataflow {
            Dataflow::Ws => {
                weight_stationary(schedule, control, starts, &parts, payload, accumulators, watch)?
            }
            Dataflow::Is => {
                weight_stationary(schedule, control, starts, &parts, &Swapped(payload), accumulators, watch)?
            }
            Dataflow::Os => {
                output_stationary(schedule, control, starts, &parts, payload, accumulators, watch)?
            }
        };
        cycles = cycles.max(run.cycles);
        weight_writes += run.weight_writes;
    }
    Ok(Run { cycles, outputs: accumulators.into_sums(), weight_writes })
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
