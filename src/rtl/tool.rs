//! Verilog simulators: how they are called, and what they say when they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Lines of a tool's own output that a message repeats.
const LAST_LINES: usize = 12;

/// Whose simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The testbench said something else than its result.
    #[error("the testbench printed no result but: {0}")]
    NoResult(String),
}

/// What the testbench counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outputs: u64,
    pub(super) differences: u64,
    pub(super) cycles: u64,
}

fn run(command: &mut Command, package: &'static str) -> Result<Output, ToolError> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(source) => return Err(ToolError::Missing { tool, package, source }),
    };
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().collect();
    let lines = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    Err(ToolError::Failed { tool, lines })
}

impl Simulator {
    fn package(self) -> &'static str {
        match self {
            Self::Verilator => "verilator",
            Self::Icarus => "iverilog",
        }
    }

    /// The tool's own name and version.
    ///
    /// # Errors
    /// When it is missing.
    pub fn version(self) -> Result<String, ToolError> {
        let (tool, option) = match self {
            Self::Verilator => ("verilator", "--version"),
            Self::Icarus => ("iverilog", "-V"),
        };
        let output = run(Command::new(tool).arg(option), self.package())?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Compiles the files of a folder.
    pub(super) fn build(self, folder: &Path, files: &[(String, String)]) -> Result<(), ToolError> {
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| files.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text)));
        written.map_err(|source| ToolError::Write { path: folder.to_owned(), source })?;
        let mut command = match self {
            Self::Verilator => {
                let mut command = Command::new("verilator");
                command.args(["--binary", "--timing", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"]);
                command.args(["--top-module", "systolab_testbench", "-o", "simulation"]);
                command
            }
            Self::Icarus => {
                let mut command = Command::new("iverilog");
                command.args(["-g2005", "-s", "systolab_testbench", "-o", "simulation"]);
                command
            }
        };
        command.args(files.iter().map(|(name, _)| name).filter(|name| name.ends_with(".v")));
        run(command.current_dir(folder), self.package()).map(drop)
    }

    /// Runs the compiled testbench on one case.
    pub(super) fn simulate(
        self,
        folder: &Path,
        stimulus: &str,
        expected: &str,
    ) -> Result<Verdict, ToolError> {
        for (name, text) in [("stimulus.txt", stimulus), ("expected.txt", expected)] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| ToolError::Write { path, source })?;
        }
        let mut command = match self {
            Self::Verilator => Command::new("./obj_dir/simulation"),
            Self::Icarus => {
                let mut command = Command::new("vvp");
                command.arg("simulation");
                command
            }
        };
        command.args(["+stimulus=stimulus.txt", "+expected=expected.txt"]).current_dir(folder);
        let output = run(&mut command, self.package())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers = text.lines().find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                ["outputs", outputs, "differences", differences, "cycles", cycles] => Some(Verdict {
                    outputs: outputs.parse().ok()?,
                    differences: differences.parse().ok()?,
                    cycles: cycles.parse().ok()?,
                }),
                _ => None,
            }
        });
        numbers.ok_or_else(|| ToolError::NoResult(text.into_owned()))
    }
}
