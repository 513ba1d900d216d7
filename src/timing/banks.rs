//! Cycles that the arrays wait because a scratchpad's banks cannot serve at once what one cycle takes.
//!
//! Knows where words lie ([`Layout`]) and what the arrays read and write in a cycle. Must not know when folds start.
//!
//! A bank serves one word per cycle; accumulators have a port to read and one to write. A vector whose fullest bank
//! holds w of its words keeps every register of the arrays for w − 1 cycles: one conflict costs one cycle. What is
//! stationary loads while vectors stream, so only what a fold's own vectors do not hide is waited for.
//!
//! With [`Layout::Pixels`] a pixel has S = ceil(channels · bits / width) words, word j of pixel p has address p·S + j
//! and lies in bank address mod banks. The taps of a window have the same distances at every pixel, so that all windows
//! of a fold have the same conflicts, in other banks. Padding is taken for stored.

use std::collections::BTreeMap;

use crate::hardware::{Accelerator, Dataflow, Layout, OutputDrain, Scratchpad};
use crate::mapping::{FoldRun, MappedLayer, Schedule, Split, View};
use crate::workload::{Convolution, Layer, Network, Operation};

/// How a layer's windows lie in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowLayout {
    /// Pixels of a row of the input.
    row: u64,
    /// Channels of a pixel.
    channels: u64,
    /// Channels of a group.
    group_channels: u64,
    kernel_width: u64,
    /// Rows and pixels between taps.
    dilation: [u64; 2],
}

impl WindowLayout {
    /// None for layers that do not run on the array.
    pub(super) fn of(layer: &Layer, network: &Network) -> Option<Self> {
        let Operation::Convolution(Convolution { window, groups, .. }) = &layer.operation else {
            return None;
        };
        let input = network.edge(layer.input).shape;
        Some(Self {
            row: input.width as u64,
            channels: input.channels as u64,
            group_channels: (input.channels / groups) as u64,
            kernel_width: window.kernel.width as u64,
            dilation: [window.dilation.height as u64, window.dilation.width as u64],
        })
    }

    /// Words of `depth` operands from `k` on that share the fullest bank, counted from the window's first pixel.
    fn words_in_fullest_bank(&self, k: u64, depth: u64, bits: u64, scratchpad: &Scratchpad) -> u64 {
        let width = u64::from(scratchpad.width_bits());
        let pixel_words = (self.channels * bits).div_ceil(width);
        let words = |k: u64| {
            let (tap, channel) = (k / self.group_channels, k % self.group_channels);
            let [rows, pixels] = self.dilation;
            let pixel = tap / self.kernel_width * rows * self.row + tap % self.kernel_width * pixels;
            // An operand may straddle words.
            let (first, last) = (channel * bits / width, ((channel + 1) * bits - 1) / width);
            (first..=last).map(move |word| pixel * pixel_words + word)
        };
        // Channels of a pixel follow each other, so that equal addresses do.
        let mut addresses: Vec<u64> = (k..k + depth).flat_map(words).collect();
        addresses.dedup();
        let mut banks: Vec<u64> = addresses.iter().map(|address| address % scratchpad.banks()).collect();
        banks.sort_unstable();
        banks.chunk_by(|a, b| a == b).map(|bank| bank.len() as u64).max().unwrap_or(0)
    }
}

/// One layer's waits.
pub(super) struct Banks<'a> {
    schedule: &'a Schedule,
    accelerator: &'a Accelerator,
    activation_bits: u64,
    weight_bits: u64,
    accumulator_bits: u64,
    /// Conflicts of a vector of activations by its fold's first k, where its pixels decide.
    by_k: Option<BTreeMap<u64, u64>>,
}

impl<'a> Banks<'a> {
    /// None if no scratchpad says where its words lie.
    pub(super) fn of(
        mapped: &'a MappedLayer,
        window: Option<WindowLayout>,
        accelerator: &'a Accelerator,
    ) -> Option<Self> {
        let scratchpads = [accelerator.activation(), accelerator.weight(), accelerator.accumulator()];
        if scratchpads.iter().all(|scratchpad| scratchpad.layout() == Layout::Ideal) {
            return None;
        }
        let tiling = &mapped.tiling;
        let (schedule, bits) = (&tiling.schedule, tiling.activation_bits);
        let arrays = if schedule.split == Split::Pixels { schedule.arrays } else { 1 };
        let activation = accelerator.activation();
        let by_k = window.filter(|_| activation.layout() == Layout::Pixels).map(|window| {
            let (step, end) = (schedule.k_per_fold(), schedule.gemm.k);
            let starts = (0..end.div_ceil(step)).map(|fold| fold * step);
            // Arrays that take other pixels are taken to want the same banks.
            let words = |k| arrays * window.words_in_fullest_bank(k, step.min(end - k), bits, activation);
            starts.map(|k| (k, words(k) - 1)).collect()
        });
        Some(Self {
            schedule,
            accelerator,
            activation_bits: bits,
            weight_bits: tiling.weight_bits,
            accumulator_bits: tiling.accumulator_bits,
            by_k,
        })
    }

    /// Cycles that a run of folds waits.
    pub(super) fn waits(&self, run: FoldRun) -> u64 {
        let view = self.schedule.widest(run.first);
        match &self.by_k {
            None => run.count * self.waits_of_fold(view, self.activation(view)),
            Some(by_k) => {
                let folds = by_k.range(run.first.k..=run.last().k);
                folds.map(|(_, &activation)| self.waits_of_fold(view, activation)).sum()
            }
        }
    }

    fn waits_of_fold(&self, view: View, activation: u64) -> u64 {
        let (weight, sums) = (self.weight(view), self.sums(view));
        let (stream, load) = match self.schedule.dataflow {
            Dataflow::Ws => (activation.max(sums), weight),
            Dataflow::Is => (weight.max(sums), activation),
            // What leaves row by row are sums.
            Dataflow::Os => (activation.max(weight), sums),
        };
        let overlapped = match self.schedule.dataflow {
            Dataflow::Ws | Dataflow::Is => self.accelerator.array().double_buffer(),
            Dataflow::Os => self.accelerator.array().output_drain() == OutputDrain::Overlapped,
        };
        let streaming_waits = view.vectors * stream;
        let hidden = if overlapped { view.vectors.max(view.rows) + streaming_waits } else { view.rows };
        streaming_waits + (view.rows * (1 + load)).saturating_sub(hidden)
    }

    /// Conflicts of the activations that a cycle takes.
    fn activation(&self, view: View) -> u64 {
        let operands = match self.schedule.dataflow {
            Dataflow::Ws | Dataflow::Os => view.rows,
            Dataflow::Is => view.columns,
        };
        let bits = operands * self.schedule.lanes.along_k() * self.activation_bits;
        self.spread(bits, self.split_by(Split::Pixels), self.accelerator.activation())
    }

    fn weight(&self, view: View) -> u64 {
        let operands = match self.schedule.dataflow {
            Dataflow::Ws | Dataflow::Os => view.columns,
            Dataflow::Is => view.rows,
        };
        let bits = operands * self.schedule.lanes.count * self.weight_bits;
        self.spread(bits, self.split_by(Split::Channels), self.accelerator.weight())
    }

    fn sums(&self, view: View) -> u64 {
        let sums = match self.schedule.dataflow {
            Dataflow::Ws | Dataflow::Os => view.channels,
            Dataflow::Is => view.pixels,
        };
        self.spread(sums * self.accumulator_bits, self.schedule.arrays, self.accelerator.accumulator())
    }

    /// Arrays whose operands differ.
    fn split_by(&self, split: Split) -> u64 {
        if self.schedule.split == split { self.schedule.arrays } else { 1 }
    }

    /// Conflicts of `arrays` times `bits`, spread evenly over the banks.
    fn spread(&self, bits: u64, arrays: u64, scratchpad: &Scratchpad) -> u64 {
        if scratchpad.layout() == Layout::Ideal {
            return 0;
        }
        let words = arrays * bits.div_ceil(u64::from(scratchpad.width_bits()));
        words.div_ceil(scratchpad.banks()).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::hardware::SHIPPED;
    use crate::mapping::{Search, map_network_with};
    use crate::source::SourceFile;
    use crate::timing::{NetworkTiming, Regime, time_network};
    use crate::workload::Workload;

    /// `edge-32x32` whose scratchpads have these layouts, banks and widths.
    fn design(layouts: [&str; 3], banks: [u64; 3], width_bits: u64, dataflow: &str) -> Accelerator {
        let (_, text) = SHIPPED[0];
        let begin = text.find("[scratchpad.activation]").unwrap();
        let end = text.find("[dram]").unwrap();
        let names = ["activation", "weight", "accumulator"];
        let tables = (0..3).map(|i| {
            format!(
                "[scratchpad.{}]\nbytes = 131072\nbanks = {}\nwidth_bits = {width_bits}\nlayout = \"{}\"\n",
                names[i], banks[i], layouts[i]
            )
        });
        let text = format!("{}{}{}", &text[..begin], tables.collect::<String>(), &text[end..]);
        let text = text.replacen("[\"ws\"]", &format!("[\"{dataflow}\"]"), 1);
        Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap()
    }

    fn workload(layer: &str, channels: usize) -> Workload {
        let text = format!(
            "schema_version = 1\nname = \"w\"\nfamily = \"f\"\ninput = {{ height = 8, width = 8, channels = {channels} }}\n\
             [[layer]]\n{layer}\n[precision]\ndefault = \"bf16\"\n"
        );
        Workload::parse(&SourceFile::embedded("w.toml", &text)).unwrap()
    }

    fn time(workload: &Workload, design: &Accelerator) -> NetworkTiming {
        let mapped = map_network_with(workload.network(), design, 1, &mut Search::Estimated).unwrap();
        time_network(workload.network(), &mapped, design, Regime::Cold)
    }

    proptest! {
        /// Every window of an input has the conflicts of the first: whatever the addresses of its pixels.
        #[test]
        fn all_windows_have_the_same_conflicts(
            row in 12u64..20, channels in 1u64..9, groups in 1u64..3, kernel in 1u64..4,
            dilation in (1u64..3, 1u64..3), bits in prop_oneof![Just(4u64), Just(8), Just(16)],
            width in prop_oneof![Just(8u64), Just(32)],
            banks in 1u64..9, pixel in (0u64..10, 0u64..6), k in 0u64..20, depth in 1u64..40,
        ) {
            let design = design(["pixels", "ideal", "ideal"], [1 << banks, 8, 8], width, "ws");
            let (channels, scratchpad) = (channels * groups, design.activation());
            let window = WindowLayout {
                row, channels, group_channels: channels / groups, kernel_width: kernel,
                dilation: [dilation.0, dilation.1],
            };
            let mut words: BTreeSet<(u64, u64, u64)> = BTreeSet::new();
            for k in k..k + depth {
                let (tap, channel) = (k / window.group_channels, k % window.group_channels);
                let y = pixel.0 + tap / kernel * dilation.0;
                let x = pixel.1 + tap % kernel * dilation.1;
                for bit in channel * bits..(channel + 1) * bits {
                    words.insert((y, x, bit / width));
                }
            }
            let mut by_bank: BTreeMap<u64, u64> = BTreeMap::new();
            for (y, x, word) in words {
                let address = (y * row + x) * (channels * bits).div_ceil(width) + word;
                *by_bank.entry(address % scratchpad.banks()).or_default() += 1;
            }
            let fullest = by_bank.into_values().max().unwrap();
            prop_assert_eq!(window.words_in_fullest_bank(k, depth, bits, scratchpad), fullest);
        }
    }

    /// 8×8 pixels, 1×1, 32 channels of 16 bits on 32 rows: 8 words of 64 bits for each of 64 vectors. 4 banks serve them
    /// in 2 cycles, 2 banks in 4.
    #[test]
    fn too_few_banks_cost_a_cycle_per_conflict() {
        let layer = "name = \"c\"\nconv2d = { out_channels = 32, kernel = [1, 1] }";
        let workload = workload(layer, 32);
        let ideal = time(&workload, &design(["ideal"; 3], [2, 8, 16], 64, "ws"));
        for (banks, conflicts) in [(2, 3), (4, 1), (8, 0), (16, 0)] {
            for layout in ["spread", "pixels"] {
                let timing = time(&workload, &design([layout, "spread", "spread"], [banks, 8, 16], 64, "ws"));
                let layer = &timing.layers[0];
                assert_eq!(layer.bank_waits.0, 64 * conflicts, "{banks} banks, {layout}");
                assert_eq!(layer.compute_cycles, ideal.layers[0].compute_cycles);
                // Some of it hides behind the vector unit.
                let bounds = ideal.cycles.0..=ideal.cycles.0 + 64 * conflicts;
                assert!(bounds.contains(&timing.cycles.0), "{banks} banks, {layout}: {}", timing.cycles.0);
                assert!(conflicts < 3 || timing.cycles > ideal.cycles, "{banks} banks, {layout}");
            }
        }
    }

    /// 3×3 taps of 4 channels, a word each: 32 rows take 8 pixels. On 8 banks and rows of 8 pixels the three rows of a
    /// window meet in the same banks; on rows of 8 pixels + halo they would not.
    #[test]
    fn rows_of_a_window_meet_in_banks() {
        let layer = "name = \"c\"\nconv2d = { out_channels = 32, kernel = [3, 3], padding = { top = 1, bottom = 1, left = 1, right = 1 } }";
        let workload = workload(layer, 4);
        let timing = |layout| time(&workload, &design([layout, "ideal", "ideal"], [8, 8, 16], 64, "ws"));
        assert_eq!(timing("spread").layers[0].bank_waits.0, 0);
        // First fold: taps (0,0)…(2,1): banks 0 1 2, 0 1 2, 0 1: three words in one. Second: one tap.
        assert_eq!(timing("pixels").layers[0].bank_waits.0, 64 * 2);
    }

    /// Rows of 8 pixels, a word each, on 4 banks: taps next to each other meet less than every second one.
    #[test]
    fn layers_that_differ_in_their_taps_alone_wait_apart() {
        let layer = |name: &str, dilation: u64| {
            format!(
                "name = \"{name}\"\nconv2d = {{ out_channels = 4, kernel = [3, 3], dilation = [1, {dilation}], \
                 padding = {{ top = 1, bottom = 1, left = {dilation}, right = {dilation} }} }}"
            )
        };
        let design = design(["pixels", "ideal", "ideal"], [4, 8, 16], 64, "ws");
        let waits = |layers: String| -> Vec<u64> {
            time(&workload(&layers, 4), &design).layers.iter().map(|layer| layer.bank_waits.0).collect()
        };
        let [near, far] = [1, 2].map(|dilation| waits(layer("a", dilation))[0]);
        assert!(near < far, "{near} and {far}");
        // The two in the middle read and write on chip and are mapped alike.
        let layers = [layer("a", 1), layer("b", 2), layer("c", 1), layer("d", 1)];
        assert_eq!(waits(layers.join("\n[[layer]]\n")), [near, far, near, near]);
    }

    #[test]
    fn more_banks_are_never_slower() {
        let layer = "name = \"c\"\nconv2d = { out_channels = 40, kernel = [3, 3] }";
        let workload = workload(layer, 24);
        for dataflow in ["ws", "os", "is"] {
            let mut before = u64::MAX;
            for banks in [1, 2, 4, 8, 16, 32] {
                let cycles = time(&workload, &design(["spread"; 3], [banks; 3], 64, dataflow)).cycles.0;
                assert!(cycles <= before, "{dataflow}, {banks} banks: {cycles} > {before}");
                before = cycles;
            }
        }
    }
}
