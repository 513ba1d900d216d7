//! The `systolab` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(systolab::cli::run(std::env::args_os()))
}
