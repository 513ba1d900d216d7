//! The command line: one file per subcommand. Errors become readable here, and only here is printed.
//!
//! Exit codes: 0 done; 1 done and the answer is no; 2 could not.

mod completions;
mod cost_table;
mod evaluate;
mod execute;
mod execution_inputs;
mod html_report;
mod import;
mod mapping;
mod output_file;
mod output_folder;
mod pareto;
mod plot_files;
mod progress_bar;
mod rtl;
mod scalesim;
mod schema;
mod simulate;
mod sweep;
mod validate;
mod verification;
mod words;
mod work_folder;

use std::ffi::OsString;
use std::io::Write as _;

use clap::{Parser, Subcommand, ValueEnum};

use crate::inputs::{self, Failure};

/// Exit code of a command that did its work and answers no.
const NO: u8 = 1;
/// Exit code for usage, input and I/O errors.
const COULD_NOT: u8 = 2;

#[derive(Debug, Parser)]
#[command(name = "systolab", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Evaluate(evaluate::Arguments),
    Simulate(simulate::Arguments),
    Execute(execute::Arguments),
    Validate(validate::Arguments),
    Import(import::Arguments),
    CostTable(cost_table::Arguments),
    Pareto(pareto::Arguments),
    Rtl(rtl::Arguments),
    #[command(name = "scalesim")]
    ScaleSim(scalesim::Arguments),
    Sweep(sweep::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// GitHub's Markdown.
    Markdown,
    /// Comma-separated values.
    Csv,
    /// JSON.
    Json,
}

/// What a command that did its work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing to object.
    Yes,
    /// Equality, completeness or a limit that was asked for is not met.
    No,
}

/// Runs the command line and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            match words::unknown_word(&error) {
                Some(message) => {
                    note(&format!("error: {message}\n\nFor more information, try '--help'."));
                }
                // Nothing can be done about a closed terminal.
                None => drop(error.print()),
            }
            return if error.use_stderr() { COULD_NOT } else { 0 };
        }
    };
    let done = match arguments.command {
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments).map(|()| Answer::Yes),
        Command::Execute(arguments) => execute::run(&arguments).map(|()| Answer::Yes),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Import(arguments) => import::run(&arguments).map(|()| Answer::Yes),
        Command::CostTable(arguments) => cost_table::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments).map(|()| Answer::Yes),
        Command::Completions(arguments) => completions::run(&arguments).map(|()| Answer::Yes),
        Command::Pareto(arguments) => pareto::run(&arguments),
        Command::Rtl(arguments) => rtl::run(&arguments),
        Command::ScaleSim(arguments) => scalesim::run(&arguments).map(|()| Answer::Yes),
    };
    match done {
        Ok(Answer::Yes) => 0,
        Ok(Answer::No) => NO,
        Err(error) => {
            note(&format!("error: {error}"));
            COULD_NOT
        }
    }
}

/// Tells the user on stderr; a stderr that cannot be written to is no reason to fail.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes data to stdout. A reader that went away, as `| head` does, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to stdout: {error}").into())
        }
        _ => Ok(()),
    }
}
