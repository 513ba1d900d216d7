//! Verilog simulators: how they are called, and what they say when they fail.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::MAIN;
use super::play::Play;
use super::version::Tool;

/// Lines of a tool's own output that a message repeats.
const LAST_LINES: usize = 12;

/// Whose, and the hash of its Verilog.
static BUILDS_USED: Mutex<BTreeSet<(Simulator, String)>> = Mutex::new(BTreeSet::new());

/// Whose simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Simulator {
    /// Verilator: compiles to C++.
    Verilator,
    /// Icarus Verilog: compiles in a moment, runs slowly.
    Icarus,
}

/// A tool that is missing or failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It cannot be started.
    #[error("{tool}: cannot run: {source}; install the Debian package `{package}`")]
    Missing {
        /// The program.
        tool: String,
        /// Where it comes from.
        package: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Its options and its Verilog may be others.
    #[error("{tool}: too old: it says `{text}`; expected {tested}, which was tested, or newer")]
    TooOld {
        /// The program.
        tool: &'static str,
        /// What it says of its version.
        text: String,
        /// The version that was tried.
        tested: &'static str,
    },
    /// It said no.
    #[error("{tool} failed; its last lines:\n{lines}")]
    Failed {
        /// The program.
        tool: String,
        /// Its own words.
        lines: String,
    },
    /// A file cannot be written.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It said something else than its result.
    #[error("{of} printed no result but: {text}")]
    NoResult {
        /// Which tool.
        of: &'static str,
        /// What it printed.
        text: String,
    },
}

/// What the testbench counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    outputs: u64,
    differences: u64,
    stored: u64,
    stored_differences: u64,
    pub(super) cycles: u64,
}

impl Verdict {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.parse().ok()
        };
        Some(Self {
            outputs: number("outputs")?,
            differences: number("differences")?,
            stored: number("stored")?,
            stored_differences: number("stored_differences")?,
            cycles: number("cycles")?,
        })
    }

    /// Sums and requantized sums of which a bit or the cycle differs, or that are missing.
    pub(super) fn differences(&self, play: &Play) -> u64 {
        let missing = u64::from(self.outputs != play.outputs) + u64::from(self.stored != play.stored_outputs);
        self.differences + self.stored_differences + missing
    }
}

pub(super) fn run(command: &mut Command, of: Tool) -> Result<Output, ToolError> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(source) => return Err(ToolError::Missing { tool, package: of.package(), source }),
    };
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().collect();
    let mut lines = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    if lines.trim().is_empty() {
        lines = format!("none; it ended with {}", output.status);
    }
    Err(ToolError::Failed { tool, lines })
}

/// Writes files to a folder, which is made.
pub(super) fn write_files(folder: &Path, files: &[(String, String)]) -> Result<(), ToolError> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| files.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text)));
    written.map_err(|source| ToolError::Write { path: folder.to_owned(), source })
}

impl Simulator {
    /// The program.
    pub fn tool(self) -> Tool {
        match self {
            Self::Verilator => Tool::Verilator,
            Self::Icarus => Tool::Icarus,
        }
    }

    /// Builds of different Verilog that this process has used, compiled by it or found.
    pub fn builds_used(self) -> usize {
        let used = BUILDS_USED.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().filter(|(simulator, _)| *simulator == self).count()
    }

    /// Compiles Verilog below `builds`, unless the same files were compiled there by the same version.
    pub(super) fn build(self, builds: &Path, files: &[(String, String)]) -> Result<Simulation, ToolError> {
        let mut hash = Sha256::new();
        hash.update(self.tool().version()?.to_string());
        for (name, text) in files {
            hash.update(format!("{name} {}\n{text}", text.len()));
        }
        let name: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        BUILDS_USED.lock().unwrap_or_else(PoisonError::into_inner).insert((self, name.clone()));
        let folder = builds.join(name);
        let simulation =
            Simulation { simulator: self, folder: std::path::absolute(&folder).unwrap_or(folder) };
        if simulation.folder.is_dir() {
            return Ok(simulation);
        }
        // Beside it first: a build that was interrupted is not taken for a whole one.
        static BUILDS: AtomicU64 = AtomicU64::new(0);
        let count = BUILDS.fetch_add(1, Ordering::Relaxed);
        let unfinished = builds.join(format!("unfinished-{}-{count}", std::process::id()));
        self.compile(&unfinished, files)?;
        match std::fs::rename(&unfinished, &simulation.folder) {
            // Somebody else was faster.
            Err(_) if simulation.folder.is_dir() => drop(std::fs::remove_dir_all(&unfinished)),
            Err(source) => return Err(ToolError::Write { path: simulation.folder, source }),
            Ok(()) => {}
        }
        Ok(simulation)
    }

    fn compile(self, folder: &Path, files: &[(String, String)]) -> Result<(), ToolError> {
        write_files(folder, files)?;
        let mut command = match self {
            Self::Verilator => {
                let mut command = Command::new("verilator");
                command.args(["--cc", "--exe", "--build", MAIN.0, "--timing", "-O3"]);
                command.args(["-Wno-fatal", "-Wno-lint", "-Wno-style"]);
                command.args(["--top-module", "systolab_testbench", "-o", "simulation"]);
                // One library for all columns: the C++ compiler would take minutes for 32 of them.
                command.arg("--hierarchical");
                // As many jobs as there are processors.
                command.args(["-j", "0"]);
                // Most of the time goes to the C++ compiler; layers run a moment.
                command.args(["-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"]);
                command
            }
            Self::Icarus => {
                let mut command = Command::new("iverilog");
                command.args(["-g2005", "-s", "systolab_testbench", "-o", "simulation"]);
                command
            }
        };
        command.args(files.iter().map(|(name, _)| name).filter(|name| name.ends_with(".v")));
        run(command.current_dir(folder), self.tool()).map(drop)
    }
}

/// A compiled testbench.
pub(super) struct Simulation {
    simulator: Simulator,
    folder: PathBuf,
}

impl Simulation {
    /// Runs it on one layer, whose files are written to `folder`.
    pub(super) fn run(&self, folder: &Path, play: &Play) -> Result<Verdict, ToolError> {
        let write = |path: &Path, result: std::io::Result<()>| {
            result.map_err(|source| ToolError::Write { path: path.to_owned(), source })
        };
        write(folder, std::fs::create_dir_all(folder))?;
        for (name, text) in play.files() {
            let path = folder.join(name);
            write(&path, std::fs::write(&path, text))?;
        }
        let mut command = match self.simulator {
            Simulator::Verilator => Command::new(self.folder.join("obj_dir/simulation")),
            Simulator::Icarus => {
                let mut command = Command::new("vvp");
                command.arg(self.folder.join("simulation"));
                command
            }
        };
        let output = run(command.current_dir(folder), self.simulator.tool())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let verdict = text.lines().find_map(Verdict::parse);
        verdict.ok_or_else(|| ToolError::NoResult { of: "the testbench", text: text.into_owned() })
    }
}
