//! `systolab schema`: what files look like, for editors and validators.

use clap::ValueEnum;

use crate::{cost, explore, hardware, workload};

use super::{Failure, print};

/// Print the JSON Schema of a kind of file, for editors and validators
///
/// It knows the names and types of keys and some of their values and limits; what is accepted beyond that is
/// said by the command that reads the file. The same schemas lie in docs/schemas.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The kind of file
    #[arg(value_enum, value_name = "KIND")]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A hardware design.
    Hardware,
    /// A network.
    Workload,
    /// A technology.
    Technology,
    /// A sweep.
    Sweep,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    print(&match arguments.kind {
        Kind::Hardware => hardware::schema(),
        Kind::Workload => workload::schema(),
        Kind::Technology => cost::technology_schema(),
        Kind::Sweep => explore::sweep_schema(),
    })
}
