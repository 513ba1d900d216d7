//! The technology files that come with the program.

use crate::source::any_of;

/// Technology files that come with the program: (name, text).
pub const SHIPPED_TECHNOLOGIES: [(&str, &str); 3] = [
    ("7nm", include_str!("../../hw-configs/technology/7nm.toml")),
    ("45nm", include_str!("../../hw-configs/technology/45nm.toml")),
    ("osu018-yosys", include_str!("../../hw-configs/technology/osu018-yosys.toml")),
];

/// What is said of a name that is none of them, nor a file's.
pub(crate) fn unknown_technology(name: &str) -> String {
    let shipped = any_of(SHIPPED_TECHNOLOGIES.map(|(shipped, _)| shipped));
    format!("unknown technology `{name}`: expected {shipped}, or a path that ends in `.toml`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::energy_range::factor;
    use crate::cost::{
        Action, AreaLookup, EnergyPerAction, EnergyRange, Floorplan, Lookup, Macro, SramAccess, SramFit,
        Standing, Technology, area,
    };
    use crate::numerics::OperandPair;
    use crate::source::SourceFile;

    fn shipped(name: &str) -> Technology {
        let (_, text) = SHIPPED_TECHNOLOGIES.into_iter().find(|(shipped, _)| *shipped == name).unwrap();
        Technology::parse(&SourceFile::embedded(name, text)).unwrap()
    }

    fn given(lookup: Lookup) -> EnergyPerAction {
        match lookup {
            Lookup::Given(given) => given,
            Lookup::Excluded { reason } => panic!("excluded: {reason}"),
        }
    }

    fn bounds(energy: EnergyRange) -> [f64; 3] {
        [energy.low(), energy.typical(), energy.high()]
    }

    #[track_caller]
    fn assert_energies<'a>(technology: &Technology, expected: impl IntoIterator<Item = (&'a str, [f64; 3])>) {
        for (path, pj) in expected {
            let found = given(technology.energy(&Action::parse(path).unwrap()).unwrap());
            for (found, pj) in bounds(found.energy).into_iter().zip(pj) {
                assert!((found - pj).abs() < 1e-12, "{path}: {found} is not {pj}");
            }
        }
    }

    #[test]
    fn shipped_technologies_are_valid_and_say_where_every_number_comes_from() {
        for (name, text) in SHIPPED_TECHNOLOGIES {
            let technology = Technology::parse(&SourceFile::embedded(name, text)).unwrap();
            assert_eq!(technology.name(), name);
            for (action, lookup) in technology.entries() {
                let Lookup::Given(given) = lookup else { panic!("{action} is excluded") };
                assert!(!given.provenance.source.contains("recalled"), "{action}");
            }
        }
    }

    #[test]
    fn the_7nm_energies_are_these() {
        let technology = shipped("7nm");
        let expected = [
            ("multiplier.int8,int8", [0.07; 3]),
            ("multiplier.uint8,int8", [0.07, 0.07, 0.07 * 81.0 / 64.0]),
            ("multiplier.int4,int4", [0.01239, 0.01491, 0.0175]),
            ("multiplier.uint4,int4", [0.01239, 0.01491, 0.0175]),
            ("multiplier.int8,int4", [0.0245, 0.0294, 0.035]),
            ("multiplier.uint8,int4", [0.0245, 0.0294, 0.035]),
            ("multiplier.uint8,uint8", [0.07, 0.07, 0.07 * 81.0 / 64.0]),
            ("multiplier.int8,uint8", [0.07, 0.07, 0.07 * 81.0 / 64.0]),
            ("multiplier.uint4,uint4", [0.01239, 0.01491, 0.07 * 25.0 / 64.0]),
            ("multiplier.int4,uint4", [0.01239, 0.01491, 0.07 * 25.0 / 64.0]),
            ("multiplier.uint8,uint4", [0.0245, 0.0294, 0.07 * 45.0 / 64.0]),
            ("multiplier.int8,uint4", [0.0245, 0.0294, 0.07 * 45.0 / 64.0]),
            ("multiplier.uint4,int8", [0.0245, 0.0294, 0.07 * 45.0 / 64.0]),
            ("multiplier.int4,int8", [0.0245, 0.0294, 0.07 * 45.0 / 64.0]),
            ("multiplier.uint4,uint8", [0.0245, 0.0294, 0.07 * 45.0 / 64.0]),
            ("multiplier.int4,uint8", [0.0245, 0.0294, 0.07 * 45.0 / 64.0]),
            ("multiplier.bf16,bf16", [0.21; 3]),
            ("adder.int8", [0.007; 3]),
            ("adder.int32", [0.03; 3]),
            ("adder.f32", [0.38; 3]),
            ("register.bit", [0.009 * 0.0935, 0.002752, 0.009]),
            ("vector.convert.f32", [0.03, 0.38, 0.76]),
            ("vector.multiply.f32", [1.31; 3]),
            ("vector.add.f32", [0.38; 3]),
            ("vector.compare.f32", [0.007, 0.03, 0.06]),
            ("vector.quantize.f32", [1.31, 1.69, 2.13]),
            ("vector.round.f32", [0.015, 0.03, 0.06]),
            ("dram.LPDDR4", [8.0, 11.0, 14.0]),
            ("dram.DDR3", [4.5, 1300.0 / 64.0, 1300.0 / 64.0]),
            ("dram.HBM2", [250.0 / 64.0, 350.0 / 64.0, 450.0 / 64.0]),
        ];
        assert_eq!(technology.entries().count(), expected.len());
        assert_energies(&technology, expected);
        // Adders between the published ones: 0.007·16/8, on the line, 0.03·16/32.
        assert_energies(&technology, [("adder.int16", [0.014, 0.007 + 0.023 / 3.0, 0.015])]);
        for (bytes, pj) in [(8192, 7.5), (32768, 8.5), (1 << 20, 14.0)] {
            for access in [SramAccess::Read, SramAccess::Write] {
                let found = given(technology.sram(bytes, 64, access).unwrap());
                assert_eq!(bounds(found.energy), [pj; 3], "{bytes} bytes");
            }
        }
    }

    #[test]
    fn the_45nm_energies_are_these() {
        let technology = shipped("45nm");
        let expected = [
            ("multiplier.int8,int8", [0.2; 3]),
            ("multiplier.uint8,int8", [0.2, 0.2, 0.2 * 81.0 / 64.0]),
            ("multiplier.int4,int4", [0.0354, 0.0426, 0.05]),
            ("multiplier.uint4,int4", [0.0354, 0.0426, 0.05]),
            ("multiplier.int8,int4", [0.07, 0.084, 0.1]),
            ("multiplier.uint8,int4", [0.07, 0.084, 0.1]),
            ("multiplier.uint8,uint8", [0.2, 0.2, 0.2 * 81.0 / 64.0]),
            ("multiplier.int8,uint8", [0.2, 0.2, 0.2 * 81.0 / 64.0]),
            ("multiplier.uint4,uint4", [0.0354, 0.0426, 0.2 * 25.0 / 64.0]),
            ("multiplier.int4,uint4", [0.0354, 0.0426, 0.2 * 25.0 / 64.0]),
            ("multiplier.uint8,uint4", [0.07, 0.084, 0.2 * 45.0 / 64.0]),
            ("multiplier.int8,uint4", [0.07, 0.084, 0.2 * 45.0 / 64.0]),
            ("multiplier.uint4,int8", [0.07, 0.084, 0.2 * 45.0 / 64.0]),
            ("multiplier.int4,int8", [0.07, 0.084, 0.2 * 45.0 / 64.0]),
            ("multiplier.uint4,uint8", [0.07, 0.084, 0.2 * 45.0 / 64.0]),
            ("multiplier.int4,uint8", [0.07, 0.084, 0.2 * 45.0 / 64.0]),
            ("multiplier.bf16,bf16", [1.1 * 0.21 / 0.34, 1.1 * 0.21 / 0.34, 1.1]),
            ("adder.int8", [0.03; 3]),
            ("adder.int32", [0.1; 3]),
            ("adder.f32", [0.9; 3]),
            ("register.bit", [0.002694, 0.01036, 0.01281]),
            ("vector.convert.f32", [0.1, 0.9, 1.8]),
            ("vector.multiply.f32", [3.7; 3]),
            ("vector.add.f32", [0.9; 3]),
            ("vector.compare.f32", [0.03, 0.1, 0.2]),
            ("vector.quantize.f32", [3.7, 4.6, 5.7]),
            ("vector.round.f32", [0.05, 0.1, 0.2]),
            ("dram.LPDDR4", [8.0, 11.0, 14.0]),
            ("dram.DDR3", [4.5, 1300.0 / 64.0, 1300.0 / 64.0]),
            ("dram.HBM2", [250.0 / 64.0, 350.0 / 64.0, 450.0 / 64.0]),
            ("reference.int32-multiply", [3.1; 3]),
            ("reference.fp16-multiply", [1.1; 3]),
            ("reference.fp16-add", [0.4; 3]),
        ];
        assert_eq!(technology.entries().count(), expected.len());
        assert_energies(&technology, expected);
        // Adders between the published ones: 0.1·16/32, on the line, 0.03·16/8.
        assert_energies(&technology, [("adder.int16", [0.05, 0.03 + 0.07 / 3.0, 0.06])]);
    }

    #[test]
    fn the_borrowed_45nm_register_is_scaled_as_its_text_says() {
        let library_at_40_nm = 12.68 / 16.0 + 0.21; // 8-bit multiplier and 32-bit adder
        let typical = 0.009 * 1.1537 / library_at_40_nm;
        let energy = given(shipped("45nm").energy(&Action::RegisterBit).unwrap()).energy;
        let expected = [typical * 0.30 / 1.1537, typical, 0.009 * f64::powi(45.0 / 40.0, 3)];
        for (found, expected) in bounds(energy).into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-3, "{found} is not {expected}");
        }
    }

    #[test]
    fn every_shipped_technology_prices_the_same_actions() {
        let priced = |name| {
            let performed = |action: &Action| !matches!(action, Action::Reference(_));
            let technology = shipped(name);
            technology.entries().map(|(action, _)| action.clone()).filter(performed).collect::<Vec<_>>()
        };
        assert_eq!(priced("45nm"), priced("7nm"));
    }

    /// Aladdin at 40 nm: multiplier 6350 µm² at 32 × 32 bits, adder 278 µm²; 986 µm² is what the library
    /// makes of the 8-bit MAC at 45 nm.
    #[test]
    fn the_borrowed_45nm_mac_areas_are_scaled_as_their_text_says() {
        let technology = shipped("45nm");
        for (activation, weight, product, high_product) in [
            ("int8", "int8", 64.0, 64.0),
            ("uint8", "int8", 64.0, 81.0),
            ("uint8", "int4", 32.0, 32.0),
            ("int4", "int4", 16.0, 16.0),
            ("uint8", "uint8", 64.0, 81.0),
            ("int4", "uint8", 32.0, 45.0),
            ("int4", "uint4", 16.0, 25.0),
        ] {
            let at_40_nm = |product: f64| 6350.0 * product / 1024.0 + 278.0;
            let library = 986.0 / at_40_nm(64.0);
            let pair = OperandPair::new(activation.parse().unwrap(), weight.parse().unwrap()).unwrap();
            let Some(AreaLookup::Given(given)) = technology.mac_area(pair, 24) else { panic!("{pair}") };
            let evoapprox = (729.8 + 2.0 * 141.7) / 986.0;
            for (found, expected) in [
                (given.area.low(), at_40_nm(product) * (45.0_f64 / 40.0).powi(2)),
                (given.area.typical(), at_40_nm(product) * library),
                (given.area.high(), at_40_nm(high_product) * library * evoapprox),
            ] {
                assert!((found * 1e6 / expected - 1.0).abs() < 2e-3, "{pair}: {found} is not {expected}");
            }
        }
        assert!(matches!(technology.mac_area(OperandPair::Bf16, 32), Some(AreaLookup::Excluded { .. })));
    }

    #[test]
    fn a_designs_area_is_its_macs_and_banks_and_says_what_is_missing() {
        let lanes = |format: &str, lanes| {
            (OperandPair::new(format.parse().unwrap(), format.parse().unwrap()).unwrap(), 24, lanes)
        };
        let bank = Macro { bytes_per_bank: 8192, width_bits: 64 };
        let plan = Floorplan {
            pes: 64,
            lanes: vec![lanes("int8", 1), lanes("int4", 2), lanes("bf16", 1)],
            scratchpads: vec![("activation scratchpad", bank, 2)],
        };
        let found = area(&plan, &shipped("45nm")).unwrap();
        assert_eq!(found.label, "SRAM + integer MAC only");
        assert!(found.exclusions.iter().any(|left_out| left_out.what == "bf16 MAC"));
        let (one, note) = shipped("45nm").sram_area(8192, 64).unwrap();
        assert_eq!(note, None);
        assert!((0.026..0.027).contains(&one.typical()), "{one:?}"); // CACTI: 0.0263 mm²
        // The int4 unit of two lanes (2 · 551 µm²) is larger than the int8 unit of one.
        let expected = 2.0 * one.typical() + 64.0 * 2.0 * 551e-6;
        assert!((found.total().typical() - expected).abs() < 1e-9, "{found:?}");
        assert_eq!(area(&plan, &shipped("7nm")), None);
    }

    /// The file that docs/formats.md names as the one to copy.
    #[test]
    fn the_example_of_a_users_file_overrides_what_it_says() {
        let text = include_str!("../../hw-configs/technology/example-user.toml");
        let mine = Technology::parse(&SourceFile::embedded("example-user.toml", text)).unwrap();
        let mut expected: Vec<_> = [
            ("multiplier.int8,int8", [0.2, 0.25, 0.3]),
            ("multiplier.uint8,int8", [0.2, 0.25, 0.3 * 81.0 / 64.0]),
            ("multiplier.uint4,int4", [0.2 * 0.177, 0.25 * 0.213, 0.3 * 0.25]),
            ("multiplier.int8,int4", [0.07, 0.105, 0.15]),
            ("multiplier.uint8,int4", [0.07, 0.105, 0.15]),
            ("multiplier.int4,int4", [0.06; 3]),
            ("dram.MyDRAM", [8.0, 9.0, 10.0]),
            ("multiplier.uint8,uint8", [0.2, 0.25, 0.3 * 81.0 / 64.0]),
            ("multiplier.int8,uint8", [0.2, 0.25, 0.3 * 81.0 / 64.0]),
            ("multiplier.uint4,uint4", [0.2 * 0.177, 0.25 * 0.213, 0.3 * 25.0 / 64.0]),
            ("multiplier.int4,uint4", [0.2 * 0.177, 0.25 * 0.213, 0.3 * 25.0 / 64.0]),
        ]
        .into();
        let mixed = ["uint8,uint4", "int8,uint4", "uint4,int8", "int4,int8", "uint4,uint8", "int4,uint8"]
            .map(|pair| format!("multiplier.{pair}"));
        expected.extend(mixed.iter().map(|path| (path.as_str(), [0.07, 0.105, 0.3 * 45.0 / 64.0])));
        assert_energies(&mine, expected.clone());
        let base = shipped("45nm");
        expected.retain(|(path, _)| !path.contains("MyDRAM"));
        let changed: Vec<_> = base
            .entries()
            .filter(|(action, lookup)| mine.energy(action).unwrap() != **lookup)
            .map(|(action, _)| action.clone())
            .collect();
        assert_eq!(changed.len(), expected.len(), "{changed:?}");
        for access in [SramAccess::Read, SramAccess::Write] {
            assert_eq!(mine.sram(5000, 96, access), base.sram(5000, 96, access));
        }
    }

    /// (width in bits, smallest and largest KiB): every power of two between is tabulated.
    const CACTI_SIZES: [(u32, u64, u64); 4] = [(64, 1, 2048), (128, 1, 2048), (256, 2, 2048), (512, 4, 2048)];

    /// (bytes, pJ) of every macro of a width.
    fn cacti(width_bits: u32, access: SramAccess) -> Vec<(f64, f64)> {
        let technology = shipped("45nm");
        let (_, min, max) = CACTI_SIZES.into_iter().find(|(width, ..)| *width == width_bits).unwrap();
        let sizes = std::iter::successors(Some(min), |kib| Some(2 * kib)).take_while(|kib| *kib <= max);
        let point = |kib: u64| {
            let found = given(technology.sram(kib << 10, width_bits, access).unwrap());
            assert_eq!(found.provenance.standing, Standing::Synthesized, "{kib} KiB x {width_bits}");
            (factor(kib << 10), found.energy.typical())
        };
        sizes.map(point).collect()
    }

    #[test]
    fn the_45nm_scratchpads_are_cactis() {
        let technology = shipped("45nm");
        for (kib, width_bits, read, write) in [
            (1, 64, 1.66966, 3.49161),
            (8, 64, 6.13702, 7.87807),
            (16, 128, 10.7481, 23.2224),
            (32, 64, 17.0418, 15.3975),
            (4, 512, 30.5024, 37.4397),
            (1024, 256, 251.863, 245.286),
            (2048, 512, 624.366, 599.51),
        ] {
            for (access, pj) in [(SramAccess::Read, read), (SramAccess::Write, write)] {
                let found = given(technology.sram(kib << 10, width_bits, access).unwrap());
                assert_eq!(bounds(found.energy), [pj; 3], "{kib} KiB x {width_bits}");
                assert!(found.provenance.source.contains("itrs-lstp"));
            }
        }
        // A word of 1024 bits is two of 512, one of 16 bits a whole one of 64.
        for (width_bits, pj) in [(1024, 2.0 * 39.9081), (16, 17.0418)] {
            let found = given(technology.sram(32768, width_bits, SramAccess::Read).unwrap());
            assert_eq!(bounds(found.energy), [pj; 3], "{width_bits} bits");
            assert_eq!(found.provenance.standing, Standing::Derived);
        }
        let count = CACTI_SIZES.map(|(width, ..)| cacti(width, SramAccess::Read).len()).iter().sum::<usize>();
        assert_eq!(count, 45);
    }

    #[test]
    fn a_larger_45nm_scratchpad_never_costs_less_per_access() {
        for access in [SramAccess::Read, SramAccess::Write] {
            for (width_bits, ..) in CACTI_SIZES {
                let points = cacti(width_bits, access);
                assert!(points.windows(2).all(|pair| pair[0].1 < pair[1].1), "{width_bits}: {points:?}");
            }
        }
    }

    /// Why lookups interpolate: docs/model.md states these errors. Expected: numpy.polyfit(log(bytes),
    /// log(pj), 1) over the points that CACTI printed.
    #[test]
    fn a_power_law_misses_cactis_own_points() {
        let fits = shipped("45nm").sram_fits();
        let expected = [
            (64, SramAccess::Read, 12, 0.574379, 0.245170, 0.140960),
            (64, SramAccess::Write, 12, 0.450640, 0.096676, 0.059482),
            (128, SramAccess::Read, 12, 0.589668, 0.323151, 0.164018),
            (128, SramAccess::Write, 12, 0.444823, 0.154405, 0.072523),
            (256, SramAccess::Read, 11, 0.581283, 0.494239, 0.209210),
            (256, SramAccess::Write, 11, 0.449651, 0.197673, 0.079519),
            (512, SramAccess::Read, 10, 0.532376, 0.499189, 0.236699),
            (512, SramAccess::Write, 10, 0.460182, 0.104665, 0.061332),
        ];
        assert_eq!(fits.len(), expected.len());
        for (SramFit { width_bits, access, law }, expected) in fits.iter().zip(expected) {
            assert_eq!((*width_bits, *access, law.macros()), (expected.0, expected.1, expected.2));
            for (found, expected) in
                [(law.exponent(), expected.3), (law.max_error(), expected.4), (law.rms_error(), expected.5)]
            {
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{width_bits} {access:?}: {found} is not {expected}"
                );
            }
        }
    }
}
