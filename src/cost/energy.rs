//! Energy = Σ action count × energy per action, by component.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;

use super::energy_range::factor;
use super::{Action, Component, CostError, EnergyRange, Exclusion, Lookup, SramAccess, Technology};
use crate::numerics::OperandPair;
use crate::timing::{Accesses, Adder, Counters};

/// One bank of a scratchpad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Macro {
    /// Size of one bank in bytes.
    pub bytes_per_bank: u64,
    /// Width of one word in bits.
    pub width_bits: u32,
}

/// The memories behind the counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memories {
    /// Activation scratchpad.
    pub activation: Macro,
    /// Weight scratchpad.
    pub weight: Macro,
    /// Accumulator scratchpad.
    pub accumulator: Macro,
    /// DRAM part by its key in the technology file, for example `LPDDR4`.
    pub dram_part: String,
}

/// Modelled energy by component, with everything it does not contain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnergyBreakdown {
    modelled: BTreeMap<Component, EnergyRange>,
    excluded: BTreeSet<Component>,
    exclusions: BTreeSet<Exclusion>,
    notes: BTreeSet<String>,
}

impl EnergyBreakdown {
    /// Energy of one component in pJ; None if all of it that occurred is excluded.
    pub fn component(&self, component: Component) -> Option<EnergyRange> {
        let modelled = self.modelled.get(&component).copied();
        modelled.or_else(|| (!self.excluded.contains(&component)).then_some(EnergyRange::ZERO))
    }

    /// The components with a modelled energy, in report order.
    pub fn components(&self) -> impl Iterator<Item = (Component, EnergyRange)> + '_ {
        Component::ALL.into_iter().filter_map(|component| Some((component, self.component(component)?)))
    }

    /// Sum of the modelled components in pJ. Comparable only with totals of equal [`Self::exclusions`].
    pub fn total(&self) -> EnergyRange {
        self.modelled.values().copied().sum()
    }

    /// What the total does not contain, in a fixed order.
    pub fn exclusions(&self) -> &BTreeSet<Exclusion> {
        &self.exclusions
    }

    /// Where a scratchpad is not a tabulated macro, and what was taken instead.
    pub fn notes(&self) -> &BTreeSet<String> {
        &self.notes
    }
}

impl AddAssign<&EnergyBreakdown> for EnergyBreakdown {
    fn add_assign(&mut self, other: &EnergyBreakdown) {
        for (component, energy) in &other.modelled {
            *self.modelled.entry(*component).or_default() += *energy;
        }
        self.excluded.extend(&other.excluded);
        self.exclusions.extend(other.exclusions.iter().cloned());
        self.notes.extend(other.notes.iter().cloned());
    }
}

/// Energy of the counted actions.
///
/// An idle MAC slot costs `idle_fraction` (0 to 1) of its pair's multiplication and of one addition,
/// by the adder that adds most often in these counters for the pair's arithmetic: the partial sum's
/// adder works once per MAC, the accumulator's less often. Only actions that occurred are looked up.
pub fn energy(
    counters: &Counters,
    memories: &Memories,
    technology: &Technology,
    idle_fraction: f64,
) -> Result<EnergyBreakdown, CostError> {
    energy_with(counters, memories, technology, idle_fraction, &mut SramLookups::default())
}

/// [`energy`] of several counters on the same memories.
pub fn energies<'a>(
    counters: impl Iterator<Item = &'a Counters>,
    memories: &Memories,
    technology: &Technology,
    idle_fraction: f64,
) -> Result<Vec<EnergyBreakdown>, CostError> {
    let mut lookups = SramLookups::default();
    let mut priced: Vec<(&Counters, EnergyBreakdown)> = Vec::new();
    for counters in counters {
        let known = priced.iter().rev().find(|(known, _)| *known == counters);
        let breakdown = match known {
            Some((_, breakdown)) => breakdown.clone(),
            None => energy_with(counters, memories, technology, idle_fraction, &mut lookups)?,
        };
        priced.push((counters, breakdown));
    }
    Ok(priced.into_iter().map(|(_, breakdown)| breakdown).collect())
}

/// Modelled energy of one request, row by row of a technology file: what its sources' ranges multiply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnergyRows {
    /// pJ by component and key; each scratchpad is one row.
    pub rows: BTreeMap<(Component, String), EnergyRange>,
    /// What the sum does not contain, in a fixed order.
    pub exclusions: BTreeSet<Exclusion>,
}

/// [`energy`], with the rows apart that move independently between their lowest and highest values.
pub fn energy_rows(
    counters: &Counters,
    memories: &Memories,
    technology: &Technology,
    idle_fraction: f64,
) -> Result<EnergyRows, CostError> {
    let mut lookups = SramLookups::default();
    let mut account = Account::new(technology, &mut lookups);
    account.rows = Some(BTreeMap::new());
    account.charge_all(counters, memories, idle_fraction)?;
    let Account { breakdown, rows, .. } = account;
    Ok(EnergyRows { rows: rows.unwrap_or_default(), exclusions: breakdown.exclusions })
}

/// Scratchpad accesses that were looked up already, each with its note.
type SramLookups = Vec<(Component, SramAccess, Lookup, Option<String>)>;

fn energy_with(
    counters: &Counters,
    memories: &Memories,
    technology: &Technology,
    idle_fraction: f64,
    lookups: &mut SramLookups,
) -> Result<EnergyBreakdown, CostError> {
    let mut account = Account::new(technology, lookups);
    account.charge_all(counters, memories, idle_fraction)?;
    Ok(account.breakdown)
}

fn busiest_adder(counters: &Counters, pair: OperandPair) -> Option<Adder> {
    let same_arithmetic = |adder: Adder| match pair {
        OperandPair::Integer { .. } => adder != Adder::F32,
        OperandPair::Bf16 => adder == Adder::F32,
    };
    let candidates = counters.additions.iter().filter(|(adder, _)| same_arithmetic(**adder));
    candidates.max_by_key(|(_, additions)| **additions).map(|(adder, _)| *adder)
}

/// A breakdown being filled.
struct Account<'a> {
    technology: &'a Technology,
    sram: &'a mut SramLookups,
    breakdown: EnergyBreakdown,
    /// Filled if somebody wants them: most do not, and simulate many networks.
    rows: Option<BTreeMap<(Component, String), EnergyRange>>,
}

impl<'a> Account<'a> {
    /// Nothing charged, and excluded what the technology always excludes.
    fn new(technology: &'a Technology, sram: &'a mut SramLookups) -> Self {
        let leakage = Exclusion {
            what: Component::SramLeakage.to_string(),
            reason: technology.sram_leakage_excluded_because().to_owned(),
        };
        let breakdown = EnergyBreakdown {
            modelled: BTreeMap::new(),
            excluded: BTreeSet::from([Component::SramLeakage]),
            exclusions: technology.exclusions().iter().cloned().chain([leakage]).collect(),
            notes: BTreeSet::new(),
        };
        Self { technology, sram, breakdown, rows: None }
    }

    fn charge_all(
        &mut self,
        counters: &Counters,
        memories: &Memories,
        idle_fraction: f64,
    ) -> Result<(), CostError> {
        if !(0.0..=1.0).contains(&idle_fraction) {
            return Err(CostError::IdleFraction(idle_fraction));
        }
        for (pair, macs) in &counters.macs {
            self.charge(Component::Multiplier, &Action::Multiply(*pair), factor(macs.0))?;
        }
        for (adder, additions) in &counters.additions {
            self.charge(Component::MacAdder, &Action::Accumulate(*adder), factor(additions.0))?;
        }
        for (pair, idle) in &counters.idle_macs {
            let idle = idle_fraction * factor(idle.0);
            self.charge(Component::Multiplier, &Action::Multiply(*pair), idle)?;
            if let Some(adder) = busiest_adder(counters, *pair) {
                self.charge(Component::MacAdder, &Action::Accumulate(adder), idle)?;
            }
        }
        self.charge(Component::PeRegisters, &Action::RegisterBit, factor(counters.register_bits.0))?;
        self.scratchpad(Component::ActivationScratchpad, memories.activation, counters.activation)?;
        self.scratchpad(Component::WeightScratchpad, memories.weight, counters.weight)?;
        self.scratchpad(Component::AccumulatorScratchpad, memories.accumulator, counters.accumulator)?;
        for (operation, count) in &counters.vector {
            self.charge(Component::VectorUnit, &Action::Vector(*operation), factor(count.0))?;
        }
        let dram_bits = 8.0 * (factor(counters.dram_read.0) + factor(counters.dram_write.0));
        self.charge(Component::Dram, &Action::DramBit(memories.dram_part.clone()), dram_bits)?;
        Ok(())
    }

    fn charge(&mut self, component: Component, action: &Action, count: f64) -> Result<(), CostError> {
        if count > 0.0 {
            let lookup = self.technology.energy(action)?;
            self.add(component, action, &lookup, count);
        }
        Ok(())
    }

    fn scratchpad(&mut self, component: Component, bank: Macro, accesses: Accesses) -> Result<(), CostError> {
        for (access, words) in [(SramAccess::Read, accesses.reads), (SramAccess::Write, accesses.writes)] {
            if words.0 == 0 {
                continue;
            }
            let lookup = self.sram_lookup(component, bank, access)?;
            self.add(component, &"energy.sram", &lookup, factor(words.0));
        }
        Ok(())
    }

    /// Looks an access up once, and notes where its memory is not a tabulated macro.
    fn sram_lookup(
        &mut self,
        component: Component,
        bank: Macro,
        access: SramAccess,
    ) -> Result<Lookup, CostError> {
        let known = self.sram.iter().position(|known| (known.0, known.1) == (component, access));
        let index = match known {
            Some(index) => index,
            None => {
                let lookup = self.technology.sram(bank.bytes_per_bank, bank.width_bits, access)?;
                let note = match &lookup {
                    Lookup::Given(given) => {
                        let derivation = given.provenance.derivation.as_ref();
                        derivation.map(|derivation| format!("{component}: {derivation}"))
                    }
                    Lookup::Excluded { .. } => None,
                };
                self.sram.push((component, access, lookup, note));
                self.sram.len() - 1
            }
        };
        let (_, _, lookup, note) = &self.sram[index];
        self.breakdown.notes.extend(note.clone());
        Ok(lookup.clone())
    }

    fn add(&mut self, component: Component, key: &dyn fmt::Display, lookup: &Lookup, count: f64) {
        match lookup {
            Lookup::Given(given) => {
                let energy = given.energy.times(count);
                *self.breakdown.modelled.entry(component).or_default() += energy;
                if let Some(rows) = &mut self.rows {
                    *rows.entry((component, key.to_string())).or_default() += energy;
                }
            }
            Lookup::Excluded { reason } => {
                self.breakdown.excluded.insert(component);
                let what = format!("{component} ({key})");
                self.breakdown.exclusions.insert(Exclusion { what, reason: reason.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::source::SourceFile;

    use super::*;
    use crate::cost::SHIPPED_TECHNOLOGIES;
    use crate::timing::{Additions, Bits, Bytes, Macs, Operations, VectorOperation, Words};

    fn seven_nm() -> Technology {
        Technology::parse(&SourceFile::embedded("7nm.toml", SHIPPED_TECHNOLOGIES[0].1)).unwrap()
    }

    fn memories() -> Memories {
        Memories {
            activation: Macro { bytes_per_bank: 32768, width_bits: 64 },
            weight: Macro { bytes_per_bank: 32768, width_bits: 128 },
            accumulator: Macro { bytes_per_bank: 8192, width_bits: 512 },
            dram_part: "LPDDR4".to_owned(),
        }
    }

    fn pair(activation: &str, weight: &str) -> OperandPair {
        OperandPair::new(activation.parse().unwrap(), weight.parse().unwrap()).unwrap()
    }

    fn counters() -> Counters {
        let access = |reads, writes| Accesses { reads: Words(reads), writes: Words(writes) };
        Counters {
            macs: [(pair("uint8", "int8"), Macs(100)), (pair("int4", "int4"), Macs(1000))].into(),
            idle_macs: [(pair("uint8", "int8"), Macs(50))].into(),
            additions: [(Adder::Integer(32), Additions(1000)), (Adder::Integer(20), Additions(100))].into(),
            register_bits: Bits(1_000_000),
            activation: access(10, 4),
            weight: access(5, 0),
            accumulator: access(2, 3),
            vector: [
                (VectorOperation::Convert, Operations(10)),
                (VectorOperation::Multiply, Operations(10)),
                (VectorOperation::Quantize, Operations(10)),
            ]
            .into(),
            dram_read: Bytes(100),
            dram_write: Bytes(28),
        }
    }

    #[track_caller]
    fn assert_pj(energy: EnergyRange, expected: [f64; 3]) {
        for (found, expected) in [energy.low(), energy.typical(), energy.high()].into_iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-9 * expected, "{energy:?} is not {expected}");
        }
    }

    #[test]
    fn energy_is_counts_times_the_shipped_table() {
        let breakdown = energy(&counters(), &memories(), &seven_nm(), 0.0).unwrap();
        let expected = [
            // 100 · 0.07 (high · 81/64) + 1000 · 0.07 · (0.177, 0.213, 0.25)
            (Component::Multiplier, [7.0 + 12.39, 7.0 + 14.91, 8.859375 + 17.5]),
            // 1000 · 0.03 + 100 · (0.007 · 20/8, 0.0185, 0.03 · 20/32)
            (Component::MacAdder, [30.0 + 1.75, 30.0 + 1.85, 30.0 + 1.875]),
            (Component::PeRegisters, [841.5, 2752.0, 9000.0]),
            // 14 · 8.5
            (Component::ActivationScratchpad, [119.0; 3]),
            // 5 words of 2 · 8.5
            (Component::WeightScratchpad, [85.0; 3]),
            // 5 words of 8 · 7.5
            (Component::AccumulatorScratchpad, [300.0; 3]),
            // 10 · (0.03, 0.38, 0.76) + 10 · 1.31 + 10 · (1.31, 1.69, 2.13)
            (Component::VectorUnit, [26.5, 33.8, 42.0]),
            // 1024 bits · (8, 11, 14)
            (Component::Dram, [8192.0, 11264.0, 14336.0]),
        ];
        assert_eq!(
            breakdown.components().map(|(component, _)| component).collect::<Vec<_>>(),
            expected.map(|(c, _)| c)
        );
        for (component, pj) in expected {
            assert_pj(breakdown.component(component).unwrap(), pj);
        }
        assert_pj(breakdown.total(), [9615.14, 14607.56, 23940.234375]);
        assert_eq!(breakdown.component(Component::SramLeakage), None);
    }

    #[test]
    fn an_idle_slot_costs_a_share_of_the_multiplier_and_the_partial_sums_adder() {
        let at = |idle_fraction| energy(&counters(), &memories(), &seven_nm(), idle_fraction).unwrap();
        let extra = |component| {
            at(0.3).component(component).unwrap().typical() - at(0.0).component(component).unwrap().typical()
        };
        assert!((extra(Component::Multiplier) - 0.3 * 50.0 * 0.07).abs() < 1e-9);
        assert!((extra(Component::MacAdder) - 0.3 * 50.0 * 0.03).abs() < 1e-9);
        assert_eq!(extra(Component::Dram), 0.0);
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(
                energy(&counters(), &memories(), &seven_nm(), share),
                Err(CostError::IdleFraction(_))
            ));
        }
    }

    #[test]
    fn a_bf16_mac_is_a_product_and_an_f32_addition() {
        let counters = Counters {
            macs: [(OperandPair::Bf16, Macs(100))].into(),
            additions: [(Adder::F32, Additions(100))].into(),
            ..Counters::default()
        };
        let breakdown = energy(&counters, &memories(), &seven_nm(), 0.0).unwrap();
        assert_pj(breakdown.total(), [59.0; 3]);
        assert_eq!(breakdown.component(Component::Dram), Some(EnergyRange::ZERO));
    }

    #[test]
    fn layers_add_up_to_the_network() {
        let mut total = energy(&counters(), &memories(), &seven_nm(), 0.0).unwrap();
        let layer = total.clone();
        total += &layer;
        let mut twice = counters();
        twice += &counters();
        let expected = energy(&twice, &memories(), &seven_nm(), 0.0).unwrap();
        let bounds = |energy: EnergyRange| [energy.low(), energy.typical(), energy.high()];
        assert_pj(total.total(), bounds(expected.total()));
        assert_eq!((total.exclusions(), total.notes()), (expected.exclusions(), expected.notes()));
    }

    #[test]
    fn what_is_left_out_is_listed_only_if_it_occurred() {
        let named = [
            "DRAM idle and refresh",
            "SRAM leakage",
            "clock tree",
            "control",
            "interconnect",
            "logic leakage",
        ];
        let breakdown = energy(&counters(), &memories(), &seven_nm(), 0.0).unwrap();
        assert_eq!(breakdown.exclusions().iter().map(|e| e.what.as_str()).collect::<Vec<_>>(), named);

        let row = "[energy.vector.quantize.f32.derived]";
        let text = SHIPPED_TECHNOLOGIES[0].1;
        let (before, after) = text.split_once(row).unwrap();
        let (_, after) = after.split_once("[energy.vector.round.f32.derived]").unwrap();
        let text = format!(
            "{before}[energy.vector.quantize.f32]\nexcluded = \"unknown\"\n[energy.vector.round.f32.derived]{after}"
        );
        let technology = Technology::parse(&SourceFile::embedded("7nm.toml", &text)).unwrap();
        let with = energy(&counters(), &memories(), &technology, 0.0).unwrap();
        assert_pj(with.component(Component::VectorUnit).unwrap(), [13.4, 16.9, 20.7]);
        let excluded = Exclusion {
            what: "vector unit (energy.vector.quantize.f32)".to_owned(),
            reason: "unknown".to_owned(),
        };
        assert!(with.exclusions().contains(&excluded));

        let mut without_quantize = counters();
        without_quantize.vector = [(VectorOperation::Quantize, Operations(10))].into();
        let only = energy(&without_quantize, &memories(), &technology, 0.0).unwrap();
        assert_eq!(only.component(Component::VectorUnit), None);
        without_quantize.vector.clear();
        let never = energy(&without_quantize, &memories(), &technology, 0.0).unwrap();
        assert_eq!(never.exclusions(), breakdown.exclusions());
    }

    #[test]
    fn a_scratchpad_that_is_no_tabulated_macro_is_noted() {
        let breakdown = energy(&counters(), &memories(), &seven_nm(), 0.0).unwrap();
        let notes: Vec<_> = breakdown.notes().iter().map(String::as_str).collect();
        assert_eq!(
            notes,
            [
                "accumulator scratchpad: a 512-bit word as 8 accesses of 64 bits",
                "weight scratchpad: a 128-bit word as 2 accesses of 64 bits",
            ]
        );
    }

    #[test]
    fn an_action_without_an_energy_is_an_error_naming_the_key() {
        let mut counters = counters();
        counters.macs.insert(pair("int3", "int8"), Macs(1));
        let error = energy(&counters, &memories(), &seven_nm(), 0.0).unwrap_err();
        assert!(error.to_string().contains("`energy.multiplier.\"int3,int8\"`"), "{error}");
        let part = Memories { dram_part: "HBM9".to_owned(), ..memories() };
        let error = energy(&self::counters(), &part, &seven_nm(), 0.0).unwrap_err();
        assert!(error.to_string().contains("`energy.dram.HBM9`"), "{error}");
    }
}
