//! Columns that need every cycle: the array's demands, served by three SRAMs in front of DRAM.

use super::addresses::{Addresses, Filters, Ifmap};
use super::calculated::{CalculatedBuffer, TwoFills};
use super::compute::compute_columns;
use super::configuration::{Bandwidth, Configuration};
use super::demand::Strip;
use super::error::ScaleSimError;
use super::fold::Folding;
use super::layer::Layer;
use super::prefetch::{Operand, Sequence};
use super::requested::{RequestedBuffer, TooManyLines};
use super::write_buffer::WriteBuffer;

/// Of each operand in CALC mode, which keeps a bit per element.
const MAX_CALCULATED_ELEMENTS: u64 = 1 << 31;
/// Of each operand in USER mode, which keeps 4 bytes per element.
const MAX_REQUESTED_ELEMENTS: u64 = 1 << 27;
/// Of cycles, and of SRAM accesses: about an hour.
const MAX_EVENTS: u64 = 1 << 40;

/// Accesses of one memory: when, and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accesses {
    /// Cycle of the first; DRAM starts before the array, in negative cycles.
    pub start: i64,
    /// Cycle of the last.
    pub stop: i64,
    /// Words.
    pub count: u64,
}

/// What serving a layer's demands gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryColumns {
    /// Index of the last cycle, stalls included.
    pub cycles: u64,
    /// Cycles the array waited.
    pub stalls: u64,
    /// First and last cycle that reads the IFMAP SRAM.
    pub ifmap_sram: (i64, i64),
    /// First and last cycle that reads the filter SRAM.
    pub filter_sram: (i64, i64),
    /// First and last cycle that writes the OFMAP SRAM.
    pub ofmap_sram: (i64, i64),
    /// Reads of the IFMAP from DRAM.
    pub ifmap_dram: Accesses,
    /// Reads of the filters from DRAM.
    pub filter_dram: Accesses,
    /// Writes of the OFMAP to DRAM.
    pub ofmap_dram: Accesses,
}

/// Cycles of the first and the last access.
#[derive(Clone, Copy, Debug, Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    #[inline]
    fn add(&mut self, cycle: i64) {
        match &mut self.0 {
            Some((_, last)) => *last = cycle,
            none => *none = Some((cycle, cycle)),
        }
    }

    fn ends(self) -> (i64, i64) {
        self.0.unwrap_or_default()
    }
}

/// A read SRAM of either mode.
trait ReadBuffer {
    type Error;

    /// Serves one cycle's reads; returns by how many cycles they are late, None if nothing was read.
    fn serve(&mut self, now: i64, strip: Strip) -> Result<Option<i64>, Self::Error>;

    fn finish(self) -> Result<Accesses, Self::Error>;
}

struct Calculated<'a, A> {
    addresses: &'a A,
    buffer: CalculatedBuffer,
}

impl<A: Addresses> ReadBuffer for Calculated<'_, A> {
    type Error = TwoFills;

    #[inline]
    fn serve(&mut self, now: i64, strip: Strip) -> Result<Option<i64>, TwoFills> {
        let mut any = None;
        for (outer, element) in strip.reads() {
            if let Some(address) = self.addresses.at(outer, element) {
                self.buffer.read(now, address)?;
                any = Some(0);
            }
        }
        Ok(any)
    }

    fn finish(self) -> Result<Accesses, TwoFills> {
        self.buffer.finish()
    }
}

struct Requested<'a, A> {
    addresses: &'a A,
    buffer: RequestedBuffer,
}

impl<A: Addresses> ReadBuffer for Requested<'_, A> {
    type Error = TooManyLines;

    #[inline]
    fn serve(&mut self, now: i64, strip: Strip) -> Result<Option<i64>, TooManyLines> {
        let mut any = None;
        for (outer, element) in strip.reads() {
            if let Some(address) = self.addresses.at(outer, element) {
                let offset = any.unwrap_or(0) + 1;
                any = Some(self.buffer.read(now, offset, address, self.addresses)? - 1);
            }
        }
        Ok(any)
    }

    fn finish(self) -> Result<Accesses, TooManyLines> {
        Ok(self.buffer.finish())
    }
}

/// Serves all demands of one layer.
pub fn memory_columns(layer: &Layer, configuration: &Configuration) -> Result<MemoryColumns, ScaleSimError> {
    check_size(layer, configuration)?;
    let folding = Folding::new(layer, configuration);
    let (ifmap, filters) = (Ifmap::new(layer), Filters::new(layer));
    let sram = configuration.sram;
    match configuration.bandwidth {
        Bandwidth::Calculated => serve(
            layer,
            &folding,
            Calculated { addresses: &ifmap, buffer: CalculatedBuffer::new(&ifmap, sram.ifmap_bytes) },
            Calculated { addresses: &filters, buffer: CalculatedBuffer::new(&filters, sram.filter_bytes) },
            WriteBuffer::new(sram.ofmap_bytes, configuration.cols),
            |operand, TwoFills| ScaleSimError::TwoFills { layer: layer.name().to_owned(), operand },
        ),
        Bandwidth::Requested { ifmap: ifmap_rate, filter: filter_rate, ofmap: ofmap_rate } => {
            let too_many = |TooManyLines| ScaleSimError::TooLarge {
                layer: layer.name().to_owned(),
                what: "number of prefetched lines",
                count: u128::from(u32::MAX) + 1,
                limit: u64::from(u32::MAX),
            };
            let sequence = Sequence::new(&folding, Operand::Ifmap);
            let ifmap_buffer =
                RequestedBuffer::new(&ifmap, sequence, sram.ifmap_bytes, ifmap_rate).map_err(too_many)?;
            let sequence = Sequence::new(&folding, Operand::Filter);
            let filter_buffer =
                RequestedBuffer::new(&filters, sequence, sram.filter_bytes, filter_rate).map_err(too_many)?;
            serve(
                layer,
                &folding,
                Requested { addresses: &ifmap, buffer: ifmap_buffer },
                Requested { addresses: &filters, buffer: filter_buffer },
                WriteBuffer::new(sram.ofmap_bytes, ofmap_rate),
                |_, error| too_many(error),
            )
        }
    }
}

fn serve<Error, I: ReadBuffer<Error = Error>, F: ReadBuffer<Error = Error>>(
    layer: &Layer,
    folding: &Folding,
    mut ifmap: I,
    mut filter: F,
    mut ofmap: WriteBuffer,
    failed: impl Fn(&'static str, Error) -> ScaleSimError,
) -> Result<MemoryColumns, ScaleSimError> {
    let (mut ifmap_sram, mut filter_sram, mut ofmap_sram) =
        (Span::default(), Span::default(), Span::default());
    let (mut row, mut stalls, mut cycles, mut last_write) = (0, 0, 0, 0);
    for fold in folding.folds() {
        for t in 0..folding.cycles_per_fold() {
            let now = row + stalls;
            let demand = folding.demand(&fold, t);
            let ifmap_late = ifmap.serve(now, demand.ifmap).map_err(|error| failed("IFMAP", error))?;
            let filter_late = filter.serve(now, demand.filter).map_err(|error| failed("filter", error))?;
            last_write = ofmap.write(now, demand.ofmap_words);
            if let Some(late) = ifmap_late {
                ifmap_sram.add(now + 1 + late);
            }
            if let Some(late) = filter_late {
                filter_sram.add(now + 1 + late);
            }
            if demand.ofmap_words > 0 {
                ofmap_sram.add(last_write);
            }
            cycles = cycles.max(last_write);
            stalls += ifmap_late.unwrap_or(0).max(filter_late.unwrap_or(0)).max(last_write - now);
            row += 1;
        }
    }
    let unsigned = |cycles: i64| u64::try_from(cycles).unwrap_or(0);
    if cycles == 0 {
        return Err(ScaleSimError::NoCycles { layer: layer.name().to_owned() });
    }
    Ok(MemoryColumns {
        cycles: unsigned(cycles),
        stalls: unsigned(stalls),
        ifmap_sram: ifmap_sram.ends(),
        filter_sram: filter_sram.ends(),
        ofmap_sram: ofmap_sram.ends(),
        ifmap_dram: ifmap.finish().map_err(|error| failed("IFMAP", error))?,
        filter_dram: filter.finish().map_err(|error| failed("filter", error))?,
        ofmap_dram: ofmap.finish(last_write),
    })
}

fn check_size(layer: &Layer, configuration: &Configuration) -> Result<(), ScaleSimError> {
    let limit = |what, count: u128, limit: u64| {
        if count <= u128::from(limit) {
            return Ok(());
        }
        Err(ScaleSimError::TooLarge { layer: layer.name().to_owned(), what, count, limit })
    };
    let shape = layer.shape();
    let elements = match configuration.bandwidth {
        Bandwidth::Calculated => MAX_CALCULATED_ELEMENTS,
        Bandwidth::Requested { .. } => MAX_REQUESTED_ELEMENTS,
    };
    let ifmap = u128::from(shape.ifmap_height * shape.ifmap_width) * u128::from(shape.channels);
    limit("number of IFMAP elements", ifmap, elements)?;
    limit("number of filter elements", u128::from(layer.window() * layer.filters()), elements)?;
    let compute = compute_columns(layer, configuration);
    limit("number of cycles", u128::from(compute.cycles), MAX_EVENTS)?;
    let accesses = [compute.ifmap_reads, compute.filter_reads, compute.ofmap_writes];
    limit("number of SRAM accesses", accesses.into_iter().map(u128::from).sum(), MAX_EVENTS)
}
