//! Energy of one scratchpad access, from a table of SRAM macros.

use std::collections::BTreeMap;

use super::energy_range::factor;
use super::{AreaRange, EnergyPerAction, EnergyRange, PowerLaw, Provenance, Standing};

/// Direction of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SramAccess {
    /// Reading one word.
    Read,
    /// Writing one word.
    Write,
}

/// The least-squares power law of one width and direction beside the table it was fitted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SramFit {
    /// Width of one word in bits.
    pub width_bits: u32,
    /// Direction.
    pub access: SramAccess,
    /// The law, with its error.
    pub law: PowerLaw,
}

/// How an energy is found between the macros of a table.
#[derive(Clone, Debug, Default, PartialEq)]
enum Method {
    /// Linearly in log(bytes) between the neighbors.
    #[default]
    Interpolate,
    /// By these power laws, also at tabulated sizes.
    Fit(Vec<SramFit>),
}

/// Energies of one tabulated macro.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SramPoint {
    pub(super) read: EnergyRange,
    pub(super) write: EnergyRange,
    /// Area of the macro in mm², if the table gives it.
    pub(super) area: Option<AreaRange>,
}

impl SramPoint {
    fn energy(self, access: SramAccess) -> EnergyRange {
        match access {
            SramAccess::Read => self.read,
            SramAccess::Write => self.write,
        }
    }
}

/// Macros by width in bits and size in bytes; at least one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SramTable {
    points: BTreeMap<u32, BTreeMap<u64, SramPoint>>,
    source: String,
    standing: Standing,
    method: Method,
}

impl SramTable {
    /// An empty table; a lookup needs at least one point.
    pub(super) fn new(source: String, standing: Standing) -> Self {
        Self { points: BTreeMap::new(), source, standing, method: Method::Interpolate }
    }

    /// Adds a macro; false if one of this width and size is already there.
    #[must_use]
    pub(super) fn insert(&mut self, bytes: u64, width_bits: u32, point: SramPoint) -> bool {
        self.points.entry(width_bits).or_default().insert(bytes, point).is_none()
    }

    /// Power laws of every width with enough macros, in order of width, reads first.
    pub(super) fn fits(&self) -> Vec<SramFit> {
        let mut fits = Vec::new();
        for (width_bits, sizes) in &self.points {
            for access in [SramAccess::Read, SramAccess::Write] {
                let macros: Vec<(u64, f64)> =
                    sizes.iter().map(|(bytes, point)| (*bytes, point.energy(access).typical())).collect();
                let law = PowerLaw::fit(&macros);
                fits.extend(law.map(|law| SramFit { width_bits: *width_bits, access, law }));
            }
        }
        fits
    }

    /// The table with energies interpolated between its macros.
    pub(super) fn interpolated(self) -> Self {
        Self { method: Method::Interpolate, ..self }
    }

    /// The table with energies by its power laws; the width and number of macros that are too few.
    pub(super) fn fitted(mut self) -> Result<Self, (u32, usize)> {
        if let Some((width_bits, sizes)) =
            self.points.iter().find(|(_, sizes)| sizes.len() < PowerLaw::MIN_MACROS)
        {
            return Err((*width_bits, sizes.len()));
        }
        self.method = Method::Fit(self.fits());
        Ok(self)
    }

    /// Where the table's numbers come from.
    pub(super) fn source(&self) -> (&str, Standing) {
        (&self.source, self.standing)
    }

    /// Area in mm² of a bank of `bytes` with words of `width_bits`, and how it was found if it is no
    /// tabulated macro; None where the table gives no areas.
    ///
    /// Linear in bytes between the two neighbors; above the largest in proportion to bytes, below the
    /// smallest the smallest. A word of an untabulated width W is W / w macros of the widest tabulated
    /// w ≤ W side by side, or one macro of the narrowest.
    pub(super) fn area(&self, bytes: u64, width_bits: u32) -> Option<(AreaRange, Option<String>)> {
        let narrower = self.points.range(..=width_bits).next_back();
        let (&tabulated, sizes) = narrower.or_else(|| self.points.first_key_value())?;
        let macros = (f64::from(width_bits) / f64::from(tabulated)).max(1.0);
        let each = factor(bytes) / macros;
        let below = sizes.iter().rfind(|(size, _)| factor(**size) <= each);
        let above = sizes.iter().find(|(size, _)| factor(**size) >= each);
        let (one, exact) = match (below, above) {
            (Some((below, lower)), Some((above, upper))) if below != above => {
                let position = (each - factor(*below)) / factor(above - below);
                (lower.area?.times(1.0 - position) + upper.area?.times(position), false)
            }
            (Some((size, point)), above) => (point.area?.times(each / factor(*size)), above.is_some()),
            (None, above) => (above?.1.area?, false),
        };
        let note = (!exact || macros > 1.0 || width_bits < tabulated).then(|| {
            format!("{macros} macros of {tabulated} bits and {each} bytes, linear in bytes between tabulated sizes")
        });
        Some((one.times(macros), note))
    }

    /// Energy of one word of `width_bits` in a macro of `bytes`; None if the table is empty.
    ///
    /// Energy is interpolated in log(bytes) between the two neighbors, whose energies are also the
    /// range, or by the fitted power law with the range by which its points scatter around it;
    /// outside the tabulated sizes it is that of the nearest size. A word of an untabulated width
    /// W costs W / w accesses of the widest tabulated w ≤ W, or one access of the narrowest.
    pub(super) fn lookup(&self, bytes: u64, width_bits: u32, access: SramAccess) -> Option<EnergyPerAction> {
        let narrower = self.points.range(..=width_bits).next_back();
        let (&tabulated, sizes) = narrower.or_else(|| self.points.first_key_value())?;
        let (one_access, size_note) = match &self.method {
            Method::Interpolate => at_size(sizes, bytes, access)?,
            Method::Fit(fits) => {
                let fit = fits.iter().find(|fit| fit.width_bits == tabulated && fit.access == access)?;
                by_law(&fit.law, tabulated, sizes, bytes)?
            }
        };
        let accesses = (f64::from(width_bits) / f64::from(tabulated)).max(1.0);
        let width_note = if width_bits == tabulated {
            None
        } else {
            Some(format!("a {width_bits}-bit word as {accesses} accesses of {tabulated} bits"))
        };
        let notes: Vec<String> = [size_note, width_note].into_iter().flatten().collect();
        let derivation = (!notes.is_empty()).then(|| notes.join("; "));
        let standing = if derivation.is_some() { Standing::Derived } else { self.standing };
        let provenance = Provenance { standing, source: self.source.clone(), derivation };
        Some(EnergyPerAction { energy: one_access.times(accesses), provenance })
    }
}

/// Energy at a size, and how it was found if the size is not tabulated.
fn at_size(
    sizes: &BTreeMap<u64, SramPoint>,
    bytes: u64,
    access: SramAccess,
) -> Option<(EnergyRange, Option<String>)> {
    let below = sizes.range(..=bytes).next_back();
    let above = sizes.range(bytes..).next();
    match (below, above) {
        (Some((&below, point)), _) if below == bytes => Some((point.energy(access), None)),
        (Some((&below, lower)), Some((&above, upper))) => {
            let (lower, upper) = (lower.energy(access), upper.energy(access));
            let position = (factor(bytes) / factor(below)).ln() / (factor(above) / factor(below)).ln();
            let typical = lower.typical() + position * (upper.typical() - lower.typical());
            let note = format!("{bytes} bytes interpolated in log(bytes) between {below} and {above}");
            Some((lower.spanning(upper, typical), Some(note)))
        }
        (Some((&nearest, point)), None) | (None, Some((&nearest, point))) => {
            let note = format!("{bytes} bytes taken as the nearest tabulated {nearest}");
            Some((point.energy(access), Some(note)))
        }
        (None, None) => None,
    }
}

/// Energy by the power law of a width, and which law it is.
fn by_law(
    law: &PowerLaw,
    width_bits: u32,
    sizes: &BTreeMap<u64, SramPoint>,
    bytes: u64,
) -> Option<(EnergyRange, Option<String>)> {
    let (smallest, largest) = (*sizes.first_key_value()?.0, *sizes.last_key_value()?.0);
    let nearest = bytes.clamp(smallest, largest);
    let (least, greatest) = law.shares();
    let pj = law.pj(nearest);
    let note = format!(
        "{bytes} bytes{} by the power law through {} macros of {width_bits} bits, which misses them by up to \
         {:.1} % (rms {:.1} %)",
        if nearest == bytes { String::new() } else { format!(", taken as {nearest},") },
        law.macros(),
        law.max_error() * 100.0,
        law.rms_error() * 100.0,
    );
    Some((EnergyRange::around(pj, least, greatest), Some(note)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 64 bits: 8 KiB 4/5 pJ, 32 KiB 8/9 pJ; 256 bits: 8 KiB 10/11 pJ (read/write).
    fn table() -> SramTable {
        let mut table = SramTable::new("made up".to_owned(), Standing::User);
        for (bytes, width_bits, read, write) in
            [(8192, 64, 4.0, 5.0), (32768, 64, 8.0, 9.0), (8192, 256, 10.0, 11.0)]
        {
            let exactly = |pj| EnergyRange::per_action(pj, pj, pj).unwrap();
            assert!(table.insert(
                bytes,
                width_bits,
                SramPoint { read: exactly(read), write: exactly(write), area: None }
            ));
        }
        table
    }

    #[test]
    fn a_tabulated_macro_is_the_tables_own_number() {
        let read = table().lookup(8192, 64, SramAccess::Read).unwrap();
        let write = table().lookup(8192, 256, SramAccess::Write).unwrap();
        assert_eq!((read.energy.typical(), write.energy.typical()), (4.0, 11.0));
        assert_eq!((read.provenance.standing, read.provenance.derivation), (Standing::User, None));
    }

    #[test]
    fn between_sizes_energy_is_linear_in_the_logarithm_and_ranges_over_the_neighbors() {
        let found = table().lookup(16384, 64, SramAccess::Read).unwrap();
        assert_eq!((found.energy.low(), found.energy.high()), (4.0, 8.0));
        assert!((found.energy.typical() - 6.0).abs() < 1e-12);
        assert_eq!(found.provenance.standing, Standing::Derived);
        assert!(found.provenance.derivation.unwrap().contains("between 8192 and 32768"));
    }

    #[test]
    fn outside_the_sizes_the_nearest_macro_is_taken_and_said() {
        for (bytes, pj, nearest) in [(1, 4.0, "8192"), (1 << 40, 8.0, "32768")] {
            let found = table().lookup(bytes, 64, SramAccess::Read).unwrap();
            assert_eq!(found.energy.typical(), pj);
            assert!(found.provenance.derivation.unwrap().ends_with(nearest));
        }
    }

    #[test]
    fn an_untabulated_width_costs_accesses_of_the_widest_narrower_one() {
        for (width_bits, pj) in [(16, 4.0), (96, 6.0), (128, 8.0), (384, 15.0)] {
            let found = table().lookup(8192, width_bits, SramAccess::Read).unwrap();
            assert_eq!(found.energy.typical(), pj, "{width_bits} bits");
            assert_eq!(found.provenance.standing, Standing::Derived);
        }
    }

    /// 1, 2 and 1 pJ at equally spaced ln bytes: a flat law at 2^(1/3), as in power_law.rs.
    #[test]
    fn a_fitted_table_takes_the_law_everywhere_and_says_its_error() {
        let mut table = SramTable::new("made up".to_owned(), Standing::User);
        for (bytes, pj) in [(1024, 1.0), (2048, 2.0), (4096, 1.0)] {
            let energy = EnergyRange::per_action(pj, pj, pj).unwrap();
            assert!(table.insert(bytes, 64, SramPoint { read: energy, write: energy, area: None }));
        }
        let table = table.fitted().unwrap();
        for (bytes, width_bits, accesses, say) in [
            (
                2048,
                64,
                1.0,
                "2048 bytes by the power law through 3 macros of 64 bits, which misses them by up to 37.0 %",
            ),
            (1 << 30, 64, 1.0, "1073741824 bytes, taken as 4096, by the power law"),
            (1024, 128, 2.0, "a 128-bit word as 2 accesses of 64 bits"),
        ] {
            let found = table.lookup(bytes, width_bits, SramAccess::Write).unwrap();
            let bounds = [found.energy.low(), found.energy.typical(), found.energy.high()];
            for (found, expected) in bounds.into_iter().zip([1.0, 2.0_f64.powf(1.0 / 3.0), 2.0]) {
                assert!((found - accesses * expected).abs() < 1e-9, "{bytes} x {width_bits}: {bounds:?}");
            }
            assert_eq!(found.provenance.standing, Standing::Derived);
            let derivation = found.provenance.derivation.unwrap();
            assert!(derivation.contains(say), "{derivation}");
        }
    }

    #[test]
    fn areas_are_linear_in_bytes_and_words_stand_side_by_side() {
        let mut table = SramTable::new("made up".to_owned(), Standing::User);
        let energy = EnergyRange::per_action(1.0, 1.0, 1.0).unwrap();
        for (bytes, mm2) in [(1024, 1.0), (4096, 7.0)] {
            let area = Some(AreaRange::new(mm2, mm2, mm2).unwrap());
            assert!(table.insert(bytes, 64, SramPoint { read: energy, write: energy, area }));
        }
        for (bytes, width_bits, mm2, tabulated) in [
            (1024, 64, 1.0, true),
            (2048, 64, 3.0, false),
            (8192, 64, 14.0, false),
            (512, 64, 1.0, false),
            (4096, 128, 6.0, false),
            (4096, 32, 7.0, false),
        ] {
            let (area, note) = table.area(bytes, width_bits).unwrap();
            assert!((area.typical() - mm2).abs() < 1e-12, "{bytes} x {width_bits}: {area:?}");
            assert_eq!(note.is_none(), tabulated, "{bytes} x {width_bits}");
        }
        assert_eq!(self::table().area(8192, 64), None);
    }

    #[test]
    fn a_width_with_too_few_macros_is_not_fitted() {
        assert_eq!(table().fitted(), Err((64, 2)));
        assert!(table().fits().is_empty());
    }

    #[test]
    fn a_macro_is_tabulated_once_and_an_empty_table_has_none() {
        let mut table = table();
        let point = SramPoint { read: EnergyRange::ZERO, write: EnergyRange::ZERO, area: None };
        assert!(!table.insert(8192, 64, point));
        let empty = SramTable::new(String::new(), Standing::User);
        assert_eq!(empty.lookup(8192, 64, SramAccess::Read), None);
    }
}
