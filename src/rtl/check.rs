//! Verilog, stepped array and closed form on the same layers: every bit of every sum, every cycle.

use std::path::Path;

use crate::hardware::Array;
use crate::mapping::{Dataflow, Gemm};
use crate::numerics::IntegerFormat;
use crate::stepped::{Loading, Violation};
use crate::timing::array_cycles;

use super::faults::FAULTS;
use super::generated::Generated;
use super::stimulus::{Case, Play};
use super::tool::{Simulator, ToolError};

/// What was compared, and what differed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consistency {
    /// Layers.
    pub cases: u64,
    /// Sums that became readable.
    pub outputs: u64,
    /// Their bits.
    pub bits: u64,
    /// Cycles of all layers.
    pub cycles: u64,
    /// Sums of which a bit or the cycle differs, or that are missing.
    pub differences: u64,
    /// Layers whose cycles in the closed form differ from those of the Verilog.
    pub total_differences: u64,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A simulator.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The stepped array.
    #[error("the stepped array is driven wrongly ({0}); this is a bug of systolab")]
    Violation(#[from] Violation),
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// Any value of the format, or one of its extremes.
    fn operand(&mut self, format: IntegerFormat, extremes: Extremes) -> i16 {
        let (low, high) = (i64::from(format.min()), i64::from(format.max()));
        let value = match extremes {
            Extremes::Only => [low, high][self.within(0, 1) as usize],
            Extremes::AsTheyCome => low + self.within(0, (high - low) as u64) as i64,
        };
        value as i16
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extremes {
    Only,
    AsTheyCome,
}

impl Generated {
    /// A layer of up to three folds each way, edges frequent.
    fn random_case(&self, random: &mut Random, case: u64) -> Case {
        let pair = (case % self.datapaths.len() as u64) as usize;
        let path = &self.datapaths[pair];
        let most = |extent: u64| extent.min(self.depth());
        let k = random.within(1, 3 * self.rows * path.lanes.along_k());
        let across = random.within(1, 2 * self.columns * path.lanes.along_n() + 1);
        let vectors = random.within(1, most(2 * (self.rows + self.columns)));
        let (m, n) = if self.dataflow == Dataflow::Is { (across, vectors) } else { (vectors, across) };
        let gemm = Gemm { m, n, k, groups: random.within(1, 2) };
        let extremes = if random.within(0, 2) == 0 { Extremes::Only } else { Extremes::AsTheyCome };
        let loading = if random.within(0, 1) == 0 { Loading::Earliest } else { Loading::Latest };
        let mut operands =
            |count: u64, format| (0..count).map(|_| random.operand(format, extremes)).collect();
        let activations = operands(gemm.groups * m * k, path.activation);
        let weights = operands(gemm.groups * n * k, path.weight);
        Case { pair, gemm, loading, activations, weights }
    }

    fn plays(&self, cases: u64, seed: u64) -> impl Iterator<Item = Result<(usize, Play), Violation>> {
        let mut random = Random(seed);
        (0..cases).map(move |case| {
            let case = self.random_case(&mut random, case);
            Ok((case.pair, self.play(&case)?))
        })
    }
}

/// Builds the array in `folder` and runs random layers of all its pairs in turn.
///
/// # Errors
/// When the simulator is missing or fails.
pub fn check(
    generated: &Generated,
    array: &Array,
    simulator: Simulator,
    folder: &Path,
    cases: u64,
    seed: u64,
) -> Result<Consistency, CheckError> {
    simulator.build(folder, &generated.files())?;
    let mut found = Consistency::default();
    for play in generated.plays(cases, seed) {
        let (pair, play) = play?;
        let verdict = simulator.simulate(folder, &play.stimulus, &play.expected)?;
        found.cases += 1;
        found.outputs += verdict.outputs;
        found.bits += verdict.outputs * u64::from(generated.datapaths[pair].mac.accumulator.bits());
        found.cycles += verdict.cycles;
        found.differences += verdict.differences + u64::from(verdict.outputs != play.outputs);
        let closed_form = array_cycles(&play.schedule, array).0;
        found.total_differences += u64::from(verdict.cycles != closed_form || play.cycles != closed_form);
    }
    Ok(found)
}

/// Puts each of [`FAULTS`] into a small array of the same modules, built with `simulator` below `folder`: how
/// many some random layers notice, and the names of those that none did. Without a fault they notice nothing.
///
/// # Errors
/// When the simulator is missing or fails.
pub fn count_caught(
    simulator: Simulator,
    folder: &Path,
    cases: u64,
    seed: u64,
) -> Result<(u64, Vec<&'static str>), CheckError> {
    let generated = Generated::for_faults();
    let plays: Vec<Play> =
        generated.plays(cases, seed).map(|play| play.map(|(_, play)| play)).collect::<Result<_, _>>()?;
    let (mut caught, mut missed) = (0, Vec::new());
    let sound = folder.join("sound");
    simulator.build(&sound, &generated.files())?;
    for play in &plays {
        let verdict = simulator.simulate(&sound, &play.stimulus, &play.expected)?;
        if verdict.differences > 0 || verdict.cycles != play.cycles {
            return Ok((0, FAULTS.iter().map(|fault| fault.name).collect()));
        }
    }
    for (index, fault) in FAULTS.iter().enumerate() {
        let mut files = generated.files();
        for (_, text) in files.iter_mut().filter(|(name, _)| name == fault.file) {
            *text = text.replace(fault.text, fault.replacement);
        }
        let folder = folder.join(format!("fault-{index}"));
        simulator.build(&folder, &files)?;
        let mut noticed = false;
        for play in &plays {
            let verdict = simulator.simulate(&folder, &play.stimulus, &play.expected)?;
            noticed = verdict.differences > 0 || verdict.cycles != play.cycles;
            if noticed {
                break;
            }
        }
        caught += u64::from(noticed);
        if !noticed {
            missed.push(fault.name);
        }
    }
    Ok((caught, missed))
}
