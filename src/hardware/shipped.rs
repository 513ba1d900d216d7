//! The designs that come with the program.

macro_rules! designs {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../hw-configs/", $name, ".toml")))),*]
    };
}

/// The designs that are compiled in: name and text of the file.
pub const SHIPPED: &[(&str, &str)] = designs![
    "edge-32x32",
    "edge-16x16",
    "datacenter-128x128",
    "datacenter-128x128-equal-rate",
    "tpuv1-like",
    "tpuv4i-like",
    "gemmini-like",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::fixture::pair;
    use crate::hardware::{Accelerator, Dataflow, LaneAxis, Rational, Scratchpad};
    use crate::numerics::{MacSpec, RegisterWidth, StaticBound};
    use crate::source::SourceFile;

    fn shipped(name: &str) -> Accelerator {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap();
        let design = Accelerator::parse(&SourceFile::embedded(format!("{name}.toml"), text)).unwrap();
        assert_eq!(design.name(), name);
        design
    }

    fn channel(design: &Accelerator) -> (&str, Rational, u64, u64) {
        let dram = design.dram();
        (dram.part(), dram.bytes_per_cycle(), dram.latency_cycles(), dram.burst_bytes())
    }

    fn lanes(design: &Accelerator, activation: &str, weight: &str) -> u64 {
        design.mac(pair(activation, weight)).unwrap().lanes()
    }

    #[test]
    fn the_edge_design_is_this() {
        let design = shipped("edge-32x32");
        assert_eq!((design.array().rows(), design.array().cols()), (32, 32));
        assert_eq!((design.frequency_hz(), design.technology()), (800_000_000, "7nm"));
        assert_eq!((lanes(&design, "bf16", "bf16"), lanes(&design, "uint8", "int8")), (1, 1));
        assert_eq!((lanes(&design, "uint8", "int4"), lanes(&design, "uint4", "int4")), (1, 2));
        let bytes = [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes);
        assert_eq!(bytes, [128 << 10, 64 << 10, 32 << 10]);
        assert_eq!(design.dram().part(), "LPDDR4");
        let rate = design.dram().bytes_per_cycle();
        assert_eq!((rate.numerator(), rate.denominator()), (56, 5)); // 12.8 GB/s · 0.7 / 800 MHz
    }

    #[test]
    fn the_datacenter_design_is_this() {
        let design = shipped("datacenter-128x128");
        assert_eq!((design.array().rows(), design.array().cols()), (128, 128));
        assert_eq!((design.frequency_hz(), design.technology()), (1_050_000_000, "7nm"));
        let ladder =
            [("int4", "int4"), ("int8", "int8"), ("bf16", "bf16")].map(|(a, w)| lanes(&design, a, w));
        assert_eq!(ladder, [4, 2, 1]);
        let bytes = [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes);
        assert_eq!(bytes, [4 << 20, 2 << 20, 1 << 20]);
        assert_eq!(design.dram().part(), "HBM2");
        let rate = design.dram().bytes_per_cycle();
        assert_eq!((rate.numerator(), rate.denominator()), (4096, 21)); // 256 GB/s · 0.8 / 1.05 GHz
    }

    #[test]
    fn the_small_edge_design_differs_from_the_large_one_in_the_array_only() {
        let (small, large) = (shipped("edge-16x16"), shipped("edge-32x32"));
        assert_eq!((small.array().rows(), small.array().cols()), (16, 16));
        assert_eq!(small.array().dataflows(), large.array().dataflows());
        for mac in small.macs() {
            let twin = large.mac(mac.pair()).unwrap();
            assert_eq!((mac.lane_axis(), mac.lanes()), (twin.lane_axis(), twin.lanes()));
        }
        let bytes = |design: &Accelerator| {
            [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes)
        };
        assert_eq!(bytes(&small), bytes(&large));
        assert_eq!((channel(&small), small.frequency_hz()), (channel(&large), large.frequency_hz()));
    }

    #[test]
    fn the_equal_rate_design_differs_in_its_lanes_only() {
        let (equal, ladder) = (shipped("datacenter-128x128-equal-rate"), shipped("datacenter-128x128"));
        for mac in equal.macs() {
            assert_eq!((mac.lanes(), mac.spec()), (1, ladder.mac(mac.pair()).unwrap().spec()));
        }
        assert_eq!(equal.macs().len(), ladder.macs().len());
        assert_eq!((equal.array(), channel(&equal)), (ladder.array(), channel(&ladder)));
        assert_eq!((equal.activation(), equal.weight()), (ladder.activation(), ladder.weight()));
        assert_eq!((equal.accumulator(), equal.vector()), (ladder.accumulator(), ladder.vector()));
        assert_eq!(equal.frequency_hz(), ladder.frequency_hz());
    }

    /// Peaks from the papers: 92 and 138 tera-operations per second.
    #[test]
    fn the_designs_after_chips_have_their_peaks_and_memories() {
        let peak = |design: &Accelerator, activation: &str| {
            let array = design.array();
            let pes = array.count() * array.rows() * array.cols();
            let weight = if activation == "bf16" { "bf16" } else { "int8" };
            2 * pes * lanes(design, activation, weight) * design.frequency_hz()
        };
        let memory = |design: &Accelerator| {
            [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes)
        };
        let tpuv1 = shipped("tpuv1-like");
        assert_eq!(peak(&tpuv1, "uint8") / 1_000_000_000, 91_750);
        assert_eq!(memory(&tpuv1), [24 << 20, 4 * 256 * 256, 4 * 256 * 4096]);
        let tpuv4i = shipped("tpuv4i-like");
        assert_eq!(peak(&tpuv4i, "bf16") / 1_000_000_000, 137_625);
        assert_eq!(memory(&tpuv4i).iter().sum::<u64>(), 128 << 20);
        let gemmini = shipped("gemmini-like");
        assert_eq!(gemmini.array().dataflows(), [Dataflow::Ws, Dataflow::Os]);
        assert_eq!(memory(&gemmini), [128 << 10, 128 << 10, 64 << 10]);
    }

    fn pairs(design: &Accelerator) -> Vec<String> {
        let mut pairs: Vec<_> = design.macs().iter().map(|mac| mac.pair().to_string()).collect();
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn our_own_designs_take_their_pairs_at_the_rate_of_the_wider_operand() {
        let trained = [
            "(bf16,bf16)",
            "(int4,int4)",
            "(int8,int4)",
            "(int8,int8)",
            "(uint4,int4)",
            "(uint8,int4)",
            "(uint8,int8)",
        ];
        // Those, and whatever an imported network may have.
        let formats = ["int4", "int8", "uint4", "uint8"];
        let integers = formats.iter().flat_map(|a| formats.iter().map(move |w| format!("({a},{w})")));
        let imported: Vec<_> = std::iter::once("(bf16,bf16)".to_owned()).chain(integers).collect();
        for (name, _) in &SHIPPED[..4] {
            let design = shipped(name);
            let found = pairs(&design);
            if *name == "edge-32x32" {
                assert_eq!(found, imported)
            } else {
                assert_eq!(found, trained, "{name}")
            }
            for mac in design.macs() {
                if mac.pair().activation().bits() != mac.pair().weight().bits() {
                    assert_eq!(mac.lanes(), lanes(&design, "int8", "int8"), "{name}");
                }
            }
        }
        assert_eq!(pairs(&shipped("tpuv1-like")), ["(int8,int8)", "(uint8,int8)"]);
        assert_eq!(pairs(&shipped("gemmini-like")), ["(int8,int8)", "(uint8,int8)"]);
        assert_eq!(pairs(&shipped("tpuv4i-like")), ["(bf16,bf16)", "(int8,int8)", "(uint8,int8)"]);
    }

    /// Partial sums have the smallest multiple of 4 bits, 16 or more, that holds every sum of a fold of
    /// 8-bit activations; narrower activations share the registers of their weights.
    #[test]
    fn shipped_designs_never_overflow_within_a_weight_stationary_fold() {
        for (name, _) in SHIPPED {
            let design = shipped(name);
            for mac in design.macs() {
                let MacSpec::Integer(spec) = mac.spec() else { continue };
                assert_eq!(mac.lane_axis(), LaneAxis::K);
                let k_per_fold = design.array().rows() * mac.lanes();
                let bound = StaticBound::of_formats(mac.pair(), k_per_fold, k_per_fold).unwrap();
                let holds =
                    |bits: u8| bound.partial_sum <= RegisterWidth::new(bits).unwrap().max().unsigned_abs();
                let bits = spec.partial_sum.bits();
                assert!(holds(bits), "{name} {}", mac.pair());
                let widest = mac.pair().activation().to_string() == "uint8";
                assert!(!widest || bits == 16 || !holds(bits - 4), "{name} {}", mac.pair());
                assert_eq!(spec.accumulator.bits(), 32);
            }
        }
    }

    /// K up to which gemmini-like's output-stationary sums are safe, as its file says.
    #[test]
    fn output_stationary_sums_of_the_gemmini_design_hold_this_many_products() {
        let design = shipped("gemmini-like");
        for (activation, safe) in [("uint8", 16), ("int8", 31)] {
            let mac = design.mac(pair(activation, "int8")).unwrap();
            let MacSpec::Integer(spec) = mac.spec() else { panic!("an integer pair") };
            let fits = |k| StaticBound::of_formats(mac.pair(), k, k).is_some_and(|bound| bound.fits(spec));
            assert!(fits(safe) && !fits(safe + 1), "{activation}");
        }
    }
}
