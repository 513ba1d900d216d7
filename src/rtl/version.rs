//! Versions of other people's tools: which were tried, and what is said about others.

use std::fmt;
use std::process::Command;

use super::tool::{ToolError, run};

/// Somebody else's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Verilator: compiles to C++.
    Verilator,
    /// Icarus Verilog.
    Icarus,
    /// Yosys: synthesis.
    Yosys,
}

/// The version that a tool says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    tool: Tool,
    text: String,
    numbers: (u32, u32),
}

impl Tool {
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Verilator => "verilator",
            Self::Icarus => "iverilog",
            Self::Yosys => "yosys",
        }
    }

    /// The Debian package.
    pub(super) fn package(self) -> &'static str {
        self.program()
    }

    /// The version with which everything was tried.
    fn tested(self) -> (&'static str, (u32, u32)) {
        match self {
            Self::Verilator => ("5.006", (5, 6)),
            Self::Icarus => ("11.0", (11, 0)),
            Self::Yosys => ("0.23", (0, 23)),
        }
    }

    /// Asks the tool.
    ///
    /// # Errors
    /// When it is missing, says no version, or is older than the one that was tried.
    pub fn version(self) -> Result<Version, ToolError> {
        let option = if self == Self::Verilator { "--version" } else { "-V" };
        let output = run(Command::new(self.program()).arg(option), self)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let text = said.lines().next().unwrap_or_default().trim();
        let Some(numbers) = numbers(text) else {
            return Err(ToolError::NoResult { of: self.program(), text: said.into_owned() });
        };
        let (tested, least) = self.tested();
        if numbers < least {
            let (tool, text) = (self.program(), text.to_owned());
            return Err(ToolError::TooOld { tool, text, tested });
        }
        Ok(Version { tool: self, text: text.to_owned(), numbers })
    }
}

impl Version {
    /// What to say of a version that is not the one that was tried.
    pub fn untested(&self) -> Option<String> {
        let (tested, numbers) = self.tool.tested();
        (self.numbers != numbers).then(|| format!("{}: not tested; tested with {tested}", self.text))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first two numbers of a version line: of the first word that begins with a digit.
fn numbers(line: &str) -> Option<(u32, u32)> {
    let word = line.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut parts = word.split(|other: char| !other.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lines_are_read() {
        for (line, expected) in [
            ("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", Some((5, 6))),
            ("Icarus Verilog version 11.0 (stable) ()", Some((11, 0))),
            ("Yosys 0.23 (git sha1 7ce5011c24b)", Some((0, 23))),
            ("Yosys 0.9+2406", Some((0, 9))),
            ("Verilator", None),
            ("", None),
        ] {
            assert_eq!(numbers(line), expected, "{line}");
        }
    }

    #[test]
    fn another_version_is_named_beside_the_tested_one() {
        let version = |numbers| Version { tool: Tool::Yosys, text: "Yosys 0.40".to_owned(), numbers };
        assert_eq!(version((0, 23)).untested(), None);
        assert_eq!(version((0, 40)).untested().unwrap(), "Yosys 0.40: not tested; tested with 0.23");
    }
}
