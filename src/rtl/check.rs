//! Verilog, stepped array and closed form on the same layers: every bit of every sum, every cycle.

use std::path::Path;

use rayon::prelude::*;

use crate::hardware::{Accelerator, Array};
use crate::mapping::{Dataflow, Schedule};
use crate::source::{SourceError, SourceFile};
use crate::timing::{Cycles, array_cycles};

use super::datapath::NotGenerated;
use super::faults::{FAULTS, Fault};
use super::formula::WRONG;
use super::generated::Generated;
use super::layer::Layer;
use super::play::{Play, PlayError};
use super::tool::{Simulation, Simulator, ToolError};

/// What was compared, and what differed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consistency {
    /// Layers.
    pub cases: u64,
    /// Sums that became readable.
    pub outputs: u64,
    /// Their bits.
    pub bits: u64,
    /// Requantized and aligned ones.
    pub stored: u64,
    /// Cycles of all layers.
    pub cycles: u64,
    /// Sums, requantized or not, of which a bit or the cycle differs, or that are missing.
    pub differences: u64,
    /// Layers whose cycles in the closed form differ from those of the Verilog.
    pub total_differences: u64,
}

impl std::ops::AddAssign for Consistency {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.outputs += other.outputs;
        self.bits += other.bits;
        self.stored += other.stored;
        self.cycles += other.cycles;
        self.differences += other.differences;
        self.total_differences += other.total_differences;
    }
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A simulator.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A layer.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// The design of the seeded faults.
    #[error("the array of the seeded faults: {0}; this is a bug of systolab")]
    Faults(#[from] SourceError),
    /// The same.
    #[error("the array of the seeded faults: {0}; this is a bug of systolab")]
    FaultsNotGenerated(#[from] NotGenerated),
}

/// Where builds are kept, and where a layer's files are written.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// One build per array, by the hash of its Verilog.
    pub builds: &'a Path,
    /// Files of the layer that runs.
    pub plays: &'a Path,
}

/// A compiled array.
pub struct Compiled<'a> {
    generated: &'a Generated,
    array: &'a Array,
    simulation: Simulation,
    folders: Folders<'a>,
}

impl<'a> Compiled<'a> {
    /// Compiles an array of a design.
    ///
    /// # Errors
    /// When the simulator is missing or fails.
    pub fn new(
        generated: &'a Generated,
        array: &'a Array,
        simulator: Simulator,
        folders: Folders<'a>,
    ) -> Result<Self, CheckError> {
        let simulation = simulator.build(folders.builds, &generated.files())?;
        Ok(Self { generated, array, simulation, folders })
    }

    /// What stays in its PEs.
    pub fn dataflow(&self) -> Dataflow {
        self.generated.dataflow()
    }

    /// Runs a layer.
    ///
    /// # Errors
    /// When the simulator fails, or the layer is not one of this array.
    pub fn check(&self, layer: &Layer) -> Result<Consistency, CheckError> {
        let play = self.generated.play(layer)?;
        let verdict = self.simulation.run(self.folders.plays, &play)?;
        let closed_form = array_cycles(&play.schedule, self.array).0;
        Ok(Consistency {
            cases: 1,
            outputs: play.outputs,
            bits: play.outputs * play.bits_per_sum,
            stored: play.stored_outputs,
            cycles: verdict.cycles,
            differences: verdict.differences(&play),
            total_differences: u64::from(verdict.cycles != closed_form || play.cycles != closed_form),
        })
    }

    /// Runs them all; `progress` is called after each.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_all(
        &self,
        layers: impl IntoIterator<Item = Layer>,
        progress: impl Fn(),
    ) -> Result<Consistency, CheckError> {
        let mut found = Consistency::default();
        for layer in layers {
            found += self.check(&layer)?;
            progress();
        }
        Ok(found)
    }
}

/// Seeded faults, and which of them some random layers noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caught {
    /// How many were noticed.
    pub caught: u64,
    /// Names of those that were not.
    pub missed: Vec<&'static str>,
}

impl Caught {
    /// All seeded faults.
    pub fn total(&self) -> u64 {
        self.caught + self.missed.len() as u64
    }

    fn count(&mut self, name: &'static str, noticed: bool) {
        self.caught += u64::from(noticed);
        if !noticed {
            self.missed.push(name);
        }
    }
}

/// Layers, and an array that may have a fault.
struct Trial<'a> {
    simulator: Simulator,
    folders: Folders<'a>,
    generated: Generated,
    plays: Vec<Play>,
}

impl Trial<'_> {
    /// Whether a layer tells the array from the stepped one. `name` is a folder of its own.
    fn notices(&self, name: &str, fault: Option<&Fault>) -> Result<bool, CheckError> {
        let mut files = self.generated.files();
        if let Some(fault) = fault {
            for (_, text) in files.iter_mut().filter(|(name, _)| name == fault.file) {
                *text = text.replace(fault.text, fault.replacement);
            }
        }
        let simulation = self.simulator.build(self.folders.builds, &files)?;
        let folder = self.folders.plays.join(name.replace(' ', "-"));
        for play in &self.plays {
            let verdict = simulation.run(&folder, play)?;
            if verdict.differences(play) > 0 || verdict.cycles != play.cycles {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Random layers that look for each fault, of either array.
const FAULT_LAYERS: u64 = 192;

/// The design whose array has the faults.
fn faulty_design() -> Result<Accelerator, CheckError> {
    let file = SourceFile::embedded("faults.toml", include_str!("faults.toml"));
    Ok(Accelerator::parse(&file)?)
}

/// Puts each of [`FAULTS`] into a small array of the same modules, and a wrong term into the closed form at a time: how
/// many some random layers notice, drawn from `seed`. None counts as noticed if the layers notice something without any
/// fault.
///
/// # Errors
/// When the simulator is missing or fails.
pub fn count_caught_from(
    seed: u64,
    simulator: Simulator,
    folders: Folders<'_>,
) -> Result<Caught, CheckError> {
    let design = faulty_design()?;
    let mut caught = Caught::default();
    for dataflow in [Dataflow::Ws, Dataflow::Os] {
        let generated = Generated::new(&design, dataflow)?;
        let layers = generated.random_layers(FAULT_LAYERS, seed);
        let plays: Vec<Play> = layers.map(|layer| generated.play(&layer)).collect::<Result<_, _>>()?;
        let trial = Trial { simulator, folders, generated, plays };
        let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.dataflow == dataflow).collect();
        let notices = |fault: Option<&Fault>| {
            let name = fault.map_or_else(|| format!("no fault {dataflow}"), |fault| fault.name.to_owned());
            trial.notices(&name, fault)
        };
        // Without a fault first: all layers run.
        let trials: Vec<Option<&Fault>> =
            std::iter::once(None).chain(faults.iter().copied().map(Some)).collect();
        let noticed = trials.par_iter().map(|&fault| notices(fault)).collect::<Result<Vec<_>, _>>()?;
        let is_sound = !noticed[0];
        for (fault, noticed) in faults.iter().zip(&noticed[1..]) {
            caught.count(fault.name, is_sound && *noticed);
        }
        if dataflow == Dataflow::Ws {
            let differs = |formula: fn(&Schedule, &Array) -> Cycles| {
                trial.plays.iter().any(|play| formula(&play.schedule, design.array()).0 != play.cycles)
            };
            let is_sound = is_sound && !differs(array_cycles);
            for (name, formula) in WRONG {
                caught.count(name, is_sound && differs(formula));
            }
        }
    }
    Ok(caught)
}

/// The same from a seed that is always the same: whether faults are noticed says nothing about a user's seed.
///
/// # Errors
/// When the simulator is missing or fails.
pub fn count_caught(simulator: Simulator, folders: Folders<'_>) -> Result<Caught, CheckError> {
    count_caught_from(1, simulator, folders)
}
