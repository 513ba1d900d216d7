//! `systolab completions`: what a shell can complete.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Failure, print};

/// Print a script that completes systolab's commands and options in a shell
///
/// bash: systolab completions bash > ~/.local/share/bash-completion/completions/systolab
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "systolab", &mut script);
    print(&String::from_utf8_lossy(&script))
}
