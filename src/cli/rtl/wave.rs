//! `systolab rtl wave`: registers of the stepped array over some cycles, as a waveform and as a picture.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::super::{Failure, note};
use super::OneArray;

/// Registers of the stepped array over some cycles of a random layer: a waveform, a picture
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("output").required(true).multiple(true).args(["wave", "picture"]))]
pub(super) struct Arguments {
    #[command(flatten)]
    array: OneArray,
    /// Extents of the layer, m,n,k
    #[arg(long, value_name = "M,N,K", value_parser = gemm)]
    gemm: [u64; 3],
    /// Cycles A to B − 1
    #[arg(long, value_name = "A..B", value_parser = cycles)]
    cycles: Range<u64>,
    /// Write a VCD file
    #[arg(long, value_name = "FILE")]
    wave: Option<PathBuf>,
    /// Write an SVG file that shows which PEs hold a moving operand, cycle by cycle
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Values of all PEs that are recorded at most.
const MAX_STATES: u64 = 1 << 22;

fn gemm(text: &str) -> Result<[u64; 3], String> {
    let extents: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
    extents
        .ok()
        .and_then(|extents| extents.try_into().ok())
        .filter(|extents: &[u64; 3]| extents.iter().all(|extent| (1..=4096).contains(extent)))
        .ok_or_else(|| "expected M,N,K, each 1 to 4096".to_owned())
}

fn cycles(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    range
        .filter(|range: &Range<u64>| !range.is_empty())
        .ok_or_else(|| "expected A..B with A below B, as in 0..40".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (design, generated) = arguments.array.generate()?;
    let [m, n, k] = arguments.gemm;
    let cycles = arguments.cycles.clone();
    let most = MAX_STATES / (design.array().rows() * design.array().cols());
    if cycles.end - cycles.start > most {
        return Err(
            format!("--cycles: {} cycles; at most {most} of this array", cycles.end - cycles.start).into()
        );
    }
    let wave = generated.wave(&generated.layer(m, n, k, 1), cycles);
    let wave = wave.map_err(|error| format!("--gemm {m},{n},{k}: {error}"))?;
    if wave.recorded() == 0 {
        return Err(format!("--cycles: the layer ends before cycle {}", arguments.cycles.start).into());
    }
    if let Some(path) = &arguments.wave {
        let mut bytes = Vec::new();
        wave.write_vcd(&mut bytes)?;
        write(path, &bytes)?;
    }
    if let Some(path) = &arguments.picture {
        write(path, wave.to_svg().as_bytes())?;
    }
    note(&format!("{} cycles", wave.recorded()));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(std::fs::write(path, bytes).map_err(|error| format!("{}: cannot write: {error}", path.display()))?)
}
