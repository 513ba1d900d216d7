//! Does the closed form give the cycles and the engines the bits of the array stepped register by register?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "counts are printed with --nocapture")]

use half::bf16;
use systolab::explore::map_network;
use systolab::functional::{bf16_dot, integer_dot_onto};
use systolab::hardware::{Accelerator, Array, SHIPPED};
use systolab::mapping::{
    Dataflow, Gemm, Join, LaneAxis, Lanes, OutputDrain, ReductionOrder, Schedule, Split,
};
use systolab::numerics::{
    Bf16Mac, FloatRounding, IntegerMac, LaneSum, Overflow, PartialSumFormat, RegisterWidth, Subnormals,
};
use systolab::source::SourceFile;
use systolab::stepped::{
    Bf16Payload, Conflict, Control, IntegerPayload, LanePayload, Loading, Operands, Payload, Preloaded, Run,
    Start, Violation, WeightWrites, layer_cycles, run,
};
use systolab::timing::array_cycles;
use systolab::workload::{self, Workload};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn coin(&mut self) -> bool {
        self.pick(&[true, false])
    }

    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.within(0, choices.len() as u64 - 1) as usize]
    }
}

const DATAFLOWS: [Dataflow; 3] = [Dataflow::Ws, Dataflow::Os, Dataflow::Is];

/// A layer on an array: half of the arrays are small, so that every edge case is frequent.
fn random_case(random: &mut Random, dataflow: Dataflow) -> (Schedule, Control) {
    let extent = random.pick(&[4, 24]);
    let (rows, columns) = (random.within(1, extent), random.within(1, extent));
    // The columns of an input-stationary array are pixels.
    let axes = if dataflow == Dataflow::Is { &[LaneAxis::K][..] } else { &[LaneAxis::K, LaneAxis::N] };
    let lanes = Lanes { axis: random.pick(axes), count: random.pick(&[1, 2, 4]) };
    let m = random.within(1, if dataflow == Dataflow::Ws { 40 } else { 3 * rows.max(columns) });
    let n = random.within(1, 3 * columns * lanes.along_n());
    let k = random.within(1, 3 * rows * lanes.along_k() + 1);
    let mut tile = |extent: u64| if random.coin() { extent } else { random.within(1, extent) };
    let (m_tile, n_tile) = (tile(m), tile(n));
    let gemm = Gemm { m, n, k, groups: random.pick(&[1, 1, 2, 5]) };
    let control = Control {
        accumulator_latency: random.within(1, 6),
        double_buffer: random.pick(&[true, true, false]),
        drain: random.pick(&[OutputDrain::Overlapped, OutputDrain::Blocking]),
    };
    let (arrays, split) = (1, Split::Channels);
    let join = random.pick(&[Join::PerFold, Join::PerFold, Join::Chained]);
    (Schedule { gemm, dataflow, rows, columns, lanes, arrays, split, m_tile, n_tile, join }, control)
}

fn array(schedule: &Schedule, control: &Control) -> Array {
    let (_, text) = SHIPPED[0];
    let start = text.find("[array]").unwrap();
    let end = start + text[start..].find("\n[[").unwrap();
    let drain = match control.drain {
        OutputDrain::Overlapped => "overlapped",
        OutputDrain::Blocking => "blocking",
    };
    let table = format!(
        "[array]\nrows = {}\ncols = {}\ndataflows = [\"ws\", \"os\", \"is\"]\nos_drain = \"{drain}\"\n\
         accumulator_latency_cycles = {}\ndouble_buffer = {}\n",
        schedule.rows, schedule.columns, control.accumulator_latency, control.double_buffer
    );
    let text = format!("{}{table}{}", &text[..start], &text[end..]);
    Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap().array().clone()
}

/// The order that the engines are told: of products, of the lanes of a PE, and of folds.
fn order(schedule: &Schedule) -> ReductionOrder {
    ReductionOrder {
        k_per_fold: schedule.k_per_fold() as usize,
        join: if schedule.dataflow == Dataflow::Os { Join::PerFold } else { schedule.join },
        lanes: schedule.lanes.along_k() as usize,
    }
}

/// Operands of a layer, each value made by `value`.
struct Values<T> {
    gemm: Gemm,
    activations: Vec<T>,
    weights: Vec<T>,
}

impl<T> Values<T> {
    fn new(gemm: Gemm, mut value: impl FnMut(bool) -> T) -> Self {
        let activations = (0..gemm.groups * gemm.m * gemm.k).map(|_| value(true)).collect();
        let weights = (0..gemm.groups * gemm.n * gemm.k).map(|_| value(false)).collect();
        Self { gemm, activations, weights }
    }

    fn operands(&self) -> Operands<'_, T> {
        let Gemm { m, n, k, .. } = self.gemm;
        Operands { activations: &self.activations, weights: &self.weights, m, n, k }
    }

    /// Every output, `[group][m][n]`.
    fn dots<S>(&self, dot: impl Fn(&[T], &[T]) -> S) -> Vec<S> {
        self.dots_of_channels(|_, activations, weights| dot(activations, weights))
    }

    /// The same where an output depends on its channel, `[group][n]`, too.
    fn dots_of_channels<S>(&self, dot: impl Fn(usize, &[T], &[T]) -> S) -> Vec<S> {
        let Gemm { m, n, k, groups } = self.gemm;
        let row = |row: u64| (row * k) as usize..((row + 1) * k) as usize;
        let mut outputs = Vec::new();
        for group in 0..groups {
            for i in 0..m {
                for j in 0..n {
                    let activations = &self.activations[row(group * m + i)];
                    let channel = group * n + j;
                    outputs.push(dot(channel as usize, activations, &self.weights[row(channel)]));
                }
            }
        }
        outputs
    }
}

/// int8 operands: small, any, or only the extremes.
fn integers(random: &mut Random, gemm: Gemm) -> Values<i16> {
    let unsigned = random.coin();
    let kind = random.within(0, 2);
    Values::new(gemm, |activation| {
        let (low, high) = if activation && unsigned { (0, 255) } else { (-128, 127) };
        match kind {
            0 => random.within(0, 3) as i16,
            1 => low + random.within(0, 255) as i16,
            _ => random.pick(&[low, high]),
        }
    })
}

const LANE_SUMS: [LaneSum; 3] = [LaneSum::Serial, LaneSum::First, LaneSum::Block];

fn integer_mac(random: &mut Random, join: Join) -> IntegerMac {
    let mut width = || RegisterWidth::new(random.pick(&[16, 16, 17, 18, 20, 32])).unwrap();
    let partial_sum = width();
    let accumulator = if join == Join::Chained { partial_sum } else { width() };
    let overflow = random.pick(&[Overflow::Wrap, Overflow::Saturate]);
    let lane_sum = random.pick(&LANE_SUMS);
    IntegerMac { overflow, lane_sum, ..IntegerMac::wrapping(partial_sum, accumulator) }
}

/// Half of them the default, which has a path of its own.
fn bf16_mac(random: &mut Random, join: Join) -> Bf16Mac {
    if random.coin() {
        return Bf16Mac::default();
    }
    let formats = [PartialSumFormat::F32, PartialSumFormat::Bf16];
    Bf16Mac {
        partial_sum: if join == Join::Chained { PartialSumFormat::F32 } else { random.pick(&formats) },
        rounding: random.pick(&[FloatRounding::NearestEven, FloatRounding::TowardZero, FloatRounding::Odd]),
        subnormals: random.pick(&[Subnormals::Keep, Subnormals::Flush]),
        lane_sum: random.pick(&LANE_SUMS),
    }
}

/// bf16 operands: of one magnitude, of many, or any bits at all (infinities and NaN included).
fn floats(random: &mut Random, gemm: Gemm) -> Values<bf16> {
    let kind = random.within(0, 2);
    Values::new(gemm, |_| {
        let bits = random.next() as u16;
        match kind {
            0 => bf16::from_bits(bits & 0x807f | 0x3f80),
            1 => bf16::from_bits(bits & 0x87ff | 0x3c00),
            _ => bf16::from_bits(bits),
        }
    })
}

/// As many output channels per PE as the schedule has lanes along n.
fn run_integers(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    operands: Operands<'_, i16>,
    mac: IntegerMac,
    bias: Option<&[i64]>,
) -> Run<i64> {
    fn run_payload<P: Payload<Output = i64>>(
        schedule: &Schedule,
        control: &Control,
        starts: &[Start],
        payload: P,
        bias: Option<&[i64]>,
    ) -> Run<i64> {
        let Gemm { m, n, .. } = schedule.gemm;
        match bias {
            Some(bias) => run(schedule, control, starts, &Preloaded { payload, bias, m, n }),
            None => run(schedule, control, starts, &payload),
        }
        .unwrap()
    }
    let one_channel = schedule.lanes.along_n() == 1;
    match schedule.lanes.count {
        1 => run_payload(schedule, control, starts, LanePayload::<1> { operands, mac }, bias),
        2 if one_channel => run_payload(schedule, control, starts, LanePayload::<2> { operands, mac }, bias),
        4 if one_channel => {
            run_payload(schedule, control, starts, IntegerPayload::<1> { operands, mac }, bias)
        }
        2 => run_payload(schedule, control, starts, IntegerPayload::<2> { operands, mac }, bias),
        _ => run_payload(schedule, control, starts, IntegerPayload::<4> { operands, mac }, bias),
    }
}

fn run_floats(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    operands: Operands<'_, bf16>,
    mac: Bf16Mac,
) -> Run<f32> {
    match schedule.lanes.along_n() {
        1 => run(schedule, control, starts, &Bf16Payload::<1> { operands, mac }),
        2 => run(schedule, control, starts, &Bf16Payload::<2> { operands, mac }),
        _ => run(schedule, control, starts, &Bf16Payload::<4> { operands, mac }),
    }
    .unwrap()
}

/// Registers of the stationary operand that the energy model counts as written: see docs/model.md.
fn expected_writes(schedule: &Schedule, control: &Control) -> WeightWrites {
    let mut writes = WeightWrites::default();
    if schedule.dataflow == Dataflow::Os {
        return writes;
    }
    for view in schedule.folds().flat_map(|fold| schedule.views(fold)) {
        let rows = view.rows;
        writes.shadow += rows * (rows + 1) / 2 * view.columns;
        writes.link += rows * (rows - 1) / 2 * view.columns;
        writes.active += if control.double_buffer { rows * view.columns } else { 0 };
    }
    writes
}

/// Cycles, integers and register writes of one case; returns whether a register wrapped.
fn check_integers(random: &mut Random, schedule: &Schedule, control: &Control, name: &str) -> bool {
    let values = integers(random, schedule.gemm);
    let mac = integer_mac(random, schedule.join);
    let starts = control.starts(schedule, random.pick(&[Loading::Earliest, Loading::Latest]));
    let channels = (schedule.gemm.groups * schedule.gemm.n) as usize;
    let largest = random.pick(&[0, 1 << 15, 1 << 31]);
    let bias: Vec<i32> = (0..channels)
        .map(|_| {
            if largest == 0 { 0 } else { (random.within(0, 2 * largest - 1) as i64 - largest as i64) as i32 }
        })
        .collect();
    let loaded = bias.iter().map(|&bias| mac.overflow.add(mac.accumulator, 0, bias.into(), &mut 0));
    let loaded: Vec<i64> = loaded.collect();
    let preloaded = (largest > 0).then_some(&loaded[..]);
    let run = run_integers(schedule, control, &starts, values.operands(), mac, preloaded);
    assert_eq!(run.cycles, array_cycles(schedule, &array(schedule, control)).0, "{name}");
    let sums =
        values.dots_of_channels(|channel, a, w| integer_dot_onto(bias[channel], a, w, mac, order(schedule)));
    let expected: Vec<i64> = sums.iter().map(|sum| i64::from(sum.accumulator)).collect();
    assert!(run.outputs == expected, "integers of {name}");
    assert_eq!(run.weight_writes, expected_writes(schedule, control), "{name}");
    sums.iter().any(|sum| sum.overflows > 0)
}

fn check_floats(random: &mut Random, schedule: &Schedule, control: &Control, name: &str) {
    let values = floats(random, schedule.gemm);
    let starts = control.starts(schedule, Loading::Latest);
    let mac = bf16_mac(random, schedule.join);
    let run = run_floats(schedule, control, &starts, values.operands(), mac);
    assert_eq!(run.cycles, array_cycles(schedule, &array(schedule, control)).0, "{name}");
    let expected = values.dots(|a, w| bf16_dot(a, w, mac, order(schedule)).to_bits());
    assert!(run.outputs.iter().map(|sum| sum.to_bits()).eq(expected), "bf16 of {name}");
}

/// Random layers per dataflow on which closed form and stepped array must give the same cycles.
const INTEGER_CASES: u32 = 500;
const BF16_CASES: u32 = 200;
const _: () = assert!((INTEGER_CASES + BF16_CASES) as usize * DATAFLOWS.len() >= 2000);

#[test]
fn cycles_and_integers_equal_closed_form_and_engine() {
    println!("{} random layers", INTEGER_CASES as usize * DATAFLOWS.len());
    for (seed, dataflow) in (1..).zip(DATAFLOWS) {
        let mut random = Random(seed);
        let (mut wrapped, mut along_n) = (0, 0);
        for case in 0..INTEGER_CASES {
            let (schedule, control) = random_case(&mut random, dataflow);
            let name = format!("case {case}: {schedule:?} {control:?}");
            wrapped += u32::from(check_integers(&mut random, &schedule, &control, &name));
            along_n += u32::from(schedule.lanes.along_n() > 1);
        }
        assert!(wrapped > 80, "only {wrapped} layers wrap");
        assert!(along_n > 100 || dataflow == Dataflow::Is, "only {along_n} layers have lanes along n");
    }
}

#[test]
fn bf16_equals_the_engine_bit_for_bit() {
    println!("{} random layers", BF16_CASES as usize * DATAFLOWS.len());
    for (seed, dataflow) in (4..).zip(DATAFLOWS) {
        let mut random = Random(seed);
        for case in 0..BF16_CASES {
            let (schedule, control) = random_case(&mut random, dataflow);
            check_floats(&mut random, &schedule, &control, &format!("case {case}: {schedule:?} {control:?}"));
        }
    }
}

/// Several arrays in lockstep, each with its part of every fold, make all outputs once, at the pace of
/// the widest part.
#[test]
fn several_arrays_divide_the_work() {
    let mut random = Random(7);
    for case in 0..200 {
        let dataflow = random.pick(&DATAFLOWS);
        let (mut schedule, control) = random_case(&mut random, dataflow);
        schedule.arrays = random.within(2, 4);
        schedule.split = random.pick(&[Split::Channels, Split::Pixels]);
        check_integers(&mut random, &schedule, &control, &format!("case {case}: {schedule:?} {control:?}"));
    }
}

#[test]
fn cycles_without_values_are_the_same() {
    let mut random = Random(8);
    for _ in 0..100 {
        let dataflow = random.pick(&DATAFLOWS);
        let (schedule, control) = random_case(&mut random, dataflow);
        let expected = array_cycles(&schedule, &array(&schedule, &control)).0;
        assert_eq!(layer_cycles(&schedule, &control), Ok(expected), "{schedule:?} {control:?}");
    }
}

/// Every layer of a network on every array of 16×16 or 32×32 PEs that is shipped, as it is mapped.
#[test]
fn mapped_layers_take_the_cycles_of_the_closed_form() {
    let (_, network) = workload::SHIPPED.iter().find(|(name, _)| *name == "resnet8-width4-w8a8").unwrap();
    let network = Workload::parse(&SourceFile::embedded("n.toml", network)).unwrap();
    let mut layers = 0;
    for (name, text) in SHIPPED {
        let design = Accelerator::parse(&SourceFile::embedded("d.toml", text)).unwrap();
        let array = design.array();
        if array.rows() > 32 {
            continue;
        }
        let control = Control {
            accumulator_latency: array.accumulator_latency_cycles(),
            double_buffer: array.double_buffer(),
            drain: array.output_drain(),
        };
        for mapping in map_network(network.network(), &design, 1).unwrap() {
            let Some(mapped) = mapping.array else { continue };
            let schedule = mapped.tiling.schedule;
            let expected = array_cycles(&schedule, array).0;
            assert_eq!(layer_cycles(&schedule, &control), Ok(expected), "{name}: {schedule:?}");
            layers += 1;
        }
    }
    assert!(layers > 20, "only {layers} layers");
}

/// Without double buffering, layers of full folds take what SCALE-Sim 3.0.0 prints: F·(2R+C+T−2) − 1, and ours one more
/// and the accumulator's latency. SCALE-Sim counts edge folds as full ones, so its committed reports' layers are rounded
/// up to whole folds.
#[test]
fn single_buffered_full_folds_take_scalesims_cycles() {
    let (mut rows, mut stepped) = (0, 0);
    for entry in std::fs::read_dir("tests/goldens/scalesim").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let sections: std::collections::BTreeMap<_, _> =
            text.split("--- ").skip(1).filter_map(|part| part.split_once('\n')).collect();
        let (Some(topology), Some(report)) =
            (sections.get("topology.csv"), sections.get("COMPUTE_REPORT.csv"))
        else {
            continue;
        };
        let key = |name: &str| {
            let line = sections["config.cfg"].lines().find(|line| line.starts_with(name)).unwrap();
            line.split(':').nth(1).unwrap().trim().to_owned()
        };
        let dataflow = match key("Dataflow").as_str() {
            "ws" => Dataflow::Ws,
            "is" => Dataflow::Is,
            _ => continue,
        };
        let (array_rows, columns): (u64, u64) =
            (key("ArrayHeight").parse().unwrap(), key("ArrayWidth").parse().unwrap());
        let mut reported = report.lines().skip(1);
        for line in topology.lines().skip(1).filter(|line| !line.trim().is_empty()) {
            let numbers: Vec<u64> =
                line.split(',').skip(1).filter_map(|word| word.trim().parse().ok()).collect();
            let [height, width, kernel_h, kernel_w, channels, n, stride] = numbers[..] else {
                break; // Ratios of sparsity or a second stride.
            };
            if line.contains("DP") {
                // A depthwise row is as many layers as it has channels.
                reported.nth(channels as usize - 1).unwrap();
                continue;
            }
            let cells: Vec<f64> = reported
                .next()
                .unwrap()
                .split(", ")
                .filter_map(|cell| cell.trim_end_matches(',').parse().ok())
                .collect();
            let (total, stalls) = (cells[2] as u64, cells[3] as u64);
            let outputs = |size: u64, kernel: u64| (size - kernel + stride).div_ceil(stride);
            let (m, k) =
                (outputs(height, kernel_h) * outputs(width, kernel_w), kernel_h * kernel_w * channels);
            let full = |extent: u64, size: u64| extent.next_multiple_of(size);
            let (m, n) = match dataflow {
                Dataflow::Ws => (m, full(n, columns)),
                _ => (full(m, columns), n),
            };
            let schedule = Schedule {
                gemm: Gemm { m, n, k: full(k, array_rows), groups: 1 },
                dataflow,
                rows: array_rows,
                columns,
                lanes: Lanes { axis: LaneAxis::K, count: 1 },
                arrays: 1,
                split: Split::Channels,
                m_tile: m,
                n_tile: n,
                join: Join::PerFold,
            };
            // SCALE-Sim has no accumulators, so no fold waits for the sum of the one before: a single cycle never does.
            let control =
                Control { accumulator_latency: 1, double_buffer: false, drain: OutputDrain::Overlapped };
            let expected = total - stalls + 1 + control.accumulator_latency;
            let found = array_cycles(&schedule, &array(&schedule, &control)).0;
            assert_eq!(found, expected, "{}: {line}", path.display());
            rows += 1;
            if found * array_rows * columns < 2_000_000 {
                assert_eq!(layer_cycles(&schedule, &control), Ok(expected), "{}: {line}", path.display());
                stepped += 1;
            }
        }
    }
    println!("{rows} rows of SCALE-Sim's reports, {stepped} of them stepped");
    assert!(rows >= 500 && stepped >= 500, "only {rows} rows, {stepped} stepped");
}

/// ResNet-18's conv2_1 on 32×32: 36 folds of 3136 vectors, ZigZag's ideal 112,896 cycles.
#[test]
fn resnet_18_conv2_1_streams_zigzags_ideal() {
    let gemm = Gemm { m: 56 * 56, n: 64, k: 576, groups: 1 };
    let schedule = Schedule {
        gemm,
        dataflow: Dataflow::Ws,
        rows: 32,
        columns: 32,
        lanes: Lanes { axis: LaneAxis::K, count: 1 },
        arrays: 1,
        split: Split::Channels,
        m_tile: gemm.m,
        n_tile: gemm.n,
        join: Join::PerFold,
    };
    let vectors: u64 = schedule.folds().map(|fold| schedule.widest(fold).vectors).sum();
    assert_eq!(vectors, 112_896);
    let control = Control { accumulator_latency: 1, double_buffer: true, drain: OutputDrain::Overlapped };
    // Filling and draining: the first load, the way to the last column, the accumulator.
    assert_eq!(array_cycles(&schedule, &array(&schedule, &control)).0, vectors + 32 + 32 + 32 - 2 + 1);
}

/// Any cycle from the previous fold's first vector on may begin the loading.
#[test]
fn the_whole_loading_window_is_free_of_conflicts() {
    let mut random = Random(9);
    for _ in 0..200 {
        let dataflow = random.pick(&[Dataflow::Ws, Dataflow::Is]);
        let (schedule, mut control) = random_case(&mut random, dataflow);
        control.double_buffer = true;
        let mut starts = control.starts(&schedule, Loading::Earliest);
        for (start, latest) in starts.iter_mut().zip(control.starts(&schedule, Loading::Latest)) {
            start.load = random.within(start.load, latest.load);
        }
        let run = run(&schedule, &control, &starts, &()).unwrap();
        assert_eq!(run.cycles, array_cycles(&schedule, &array(&schedule, &control)).0);
    }
}

/// No fold can begin one cycle earlier, wherever its weights are loaded.
#[test]
fn a_fold_one_cycle_earlier_breaks_the_array() {
    let mut random = Random(10);
    let mut found = Vec::new();
    for case in 0..300 {
        let (schedule, control) = random_case(&mut random, Dataflow::Ws);
        let rule = control.starts(&schedule, Loading::Latest);
        let fold = random.within(0, rule.len() as u64 - 1) as usize;
        let rows = schedule.widest(schedule.folds().nth(fold).unwrap()).rows;
        for (loading, just_in_time) in
            [(Loading::Earliest, false), (Loading::Earliest, true), (Loading::Latest, true)]
        {
            let mut starts = control.starts(&schedule, loading);
            starts[fold].vector -= 1;
            if just_in_time {
                starts[fold].load = starts[fold].vector.saturating_sub(rows);
            }
            match run(&schedule, &control, &starts, &()) {
                Ok(_) => panic!("case {case}, fold {fold}: {schedule:?} {control:?} {loading:?}"),
                Err(violation) => found.push(violation.conflict),
            }
        }
    }
    for conflict in [
        Conflict::WeightPort,
        Conflict::WeightMissing,
        Conflict::WeightLost,
        Conflict::NotReadable,
        Conflict::NotDrained,
        Conflict::ActivationPort,
    ] {
        assert!(found.contains(&conflict), "no case trips on: {conflict}");
    }
}

#[test]
fn an_output_fold_one_cycle_earlier_breaks_the_array() {
    let mut random = Random(11);
    let (mut found, mut cases) = (Vec::new(), 0);
    while cases < 300 {
        let (schedule, control) = random_case(&mut random, Dataflow::Os);
        let mut starts = control.starts(&schedule, Loading::Latest);
        if starts.len() < 2 {
            continue;
        }
        cases += 1;
        let fold = random.within(1, starts.len() as u64 - 1) as usize;
        starts[fold].vector -= 1;
        match run(&schedule, &control, &starts, &()) {
            Ok(_) => panic!("fold {fold}: {schedule:?} {control:?}"),
            Err(violation) => found.push(violation.conflict),
        }
    }
    for conflict in [Conflict::ActivationPort, Conflict::ResultLost, Conflict::NotDrained] {
        assert!(found.contains(&conflict), "no case trips on: {conflict}");
    }
}

/// The machine once waited without end for sums of a fold that had begun before its turn.
#[test]
fn a_fold_before_its_turn_is_a_violation() {
    let mut random = Random(12);
    let mut cases = 0;
    while cases < 100 {
        let dataflow = random.pick(&[Dataflow::Ws, Dataflow::Is, Dataflow::Os]);
        let (schedule, control) = random_case(&mut random, dataflow);
        let mut starts = control.starts(&schedule, Loading::Latest);
        if starts.len() < 2 {
            continue;
        }
        cases += 1;
        let fold = random.within(1, starts.len() as u64 - 1) as usize;
        if dataflow == Dataflow::Os {
            starts[fold].load = 0; // Nothing is loaded.
            assert!(run(&schedule, &control, &starts, &()).is_ok());
        }
        starts.swap(fold - 1, fold);
        let violation = run(&schedule, &control, &starts, &()).unwrap_err();
        assert_eq!(violation, Violation { cycle: starts[fold].vector, conflict: Conflict::OutOfOrder });
    }
}
