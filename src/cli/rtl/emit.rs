//! `systolab rtl emit`: a design's array as Verilog, and a layer for its testbench.

use std::path::PathBuf;

use super::super::output_folder::{self, Replace};
use super::super::{Failure, note};
use super::OneArray;

/// Write parameterized Verilog-2005 of the array, with a self-checking testbench and a random layer that it plays
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    array: OneArray,
    /// Folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the folder even if it was not written by systolab
    #[arg(long)]
    force: bool,
}

/// Extents m, n, k of the layer: few cycles, for Icarus Verilog, which takes a tenth of a second for one of 16×16 PEs.
const EXAMPLE: [u64; 3] = [4, 6, 9];

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    output_folder::check(&arguments.out, replace)?;
    let (_, generated) = arguments.array.generate()?;
    let mut files = generated.files();
    let example = generated.example(EXAMPLE);
    files.extend(generated.layer_files(&example).map_err(|error| error.to_string())?);
    output_folder::write(&arguments.out, &files, replace)?;
    note(&format!("{}: {} files, dataflow {}", arguments.out.display(), files.len(), generated.dataflow()));
    note(&format!("not generated: {}", generated.left_out().join(", ")));
    note(&format!(
        "there, a random layer of {} plays and says PASS or FAIL (the exit code is 0; the second command is for small arrays):",
        example.pair
    ));
    let verilator = "verilator --hierarchical --cc --exe --build --timing --top-module systolab_testbench";
    note(&format!("  {verilator} *.v main.cpp && obj_dir/Vsystolab_testbench"));
    note("  iverilog -g2005 -s systolab_testbench -o simulation *.v && vvp simulation");
    note("other layers, with +stimulus=, +sums= and +stored=: systolab rtl check --keep DIR");
    Ok(())
}
