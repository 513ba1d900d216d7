//! Does the closed form give the cycles and the engines the bits of the array stepped register by register?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use half::bf16;
use systolab::functional::{bf16_dot, integer_dot};
use systolab::hardware::{Accelerator, Array, SHIPPED};
use systolab::mapping::{Dataflow, Gemm, LaneAxis, Lanes, OutputDrain, Schedule, Split, View};
use systolab::numerics::{Bf16Mac, IntegerMac, RegisterWidth};
use systolab::source::SourceFile;
use systolab::stepped::{
    Bf16Payload, Conflict, Control, IntegerPayload, Loading, Operands, WeightWrites, input_stationary,
    output_starts, output_stationary, weight_stationary,
};
use systolab::timing::array_cycles;

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

/// A layer on an array: half of the arrays are small, so that every edge case is frequent.
fn random_case(random: &mut Random, dataflow: Dataflow) -> (Schedule, Control) {
    let extent = random.pick(&[4, 24]);
    let (rows, columns) = (random.within(1, extent), random.within(1, extent));
    let lanes = random.pick(&[1, 2, 4]);
    let m = random.within(1, 40);
    let m_tile = if random.coin() { m } else { random.within(1, m) };
    let n = random.within(1, 3 * columns);
    let k = random.within(1, 3 * rows * lanes + 1);
    let gemm = Gemm { m, n, k, groups: random.pick(&[1, 1, 1, 2]) };
    let control = Control {
        accumulator_latency: random.within(1, 6),
        double_buffer: random.pick(&[true, true, false]),
    };
    let n_tile = if dataflow == Dataflow::Ws { n } else { random.within(1, n) };
    let lanes = Lanes { axis: LaneAxis::K, count: lanes };
    let (arrays, split) = (1, Split::Channels);
    (Schedule { gemm, dataflow, rows, columns, lanes, arrays, split, m_tile, n_tile }, control)
}

fn array(schedule: &Schedule, control: &Control) -> Array {
    array_draining(schedule, control, OutputDrain::Overlapped)
}

fn array_draining(schedule: &Schedule, control: &Control, drain: OutputDrain) -> Array {
    let (_, text) = SHIPPED[0];
    let start = text.find("[array]").unwrap();
    let end = start + text[start..].find("\n[[").unwrap();
    let table = format!(
        "[array]\nrows = {}\ncols = {}\ndataflows = [\"ws\", \"os\", \"is\"]\n\
         accumulator_latency_cycles = {}\ndouble_buffer = {}\nos_drain = \"{}\"\n",
        schedule.rows,
        schedule.columns,
        control.accumulator_latency,
        control.double_buffer,
        if drain == OutputDrain::Overlapped { "overlapped" } else { "blocking" },
    );
    let text = format!("{}{table}{}", &text[..start], &text[end..]);
    Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap().array().clone()
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
        let Gemm { m, n, k, groups } = self.gemm;
        let row = |row: u64| (row * k) as usize..((row + 1) * k) as usize;
        let mut outputs = Vec::new();
        for group in 0..groups {
            for i in 0..m {
                for j in 0..n {
                    let activations = &self.activations[row(group * m + i)];
                    outputs.push(dot(activations, &self.weights[row(group * n + j)]));
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

fn integer_mac(random: &mut Random) -> IntegerMac {
    let mut width = || RegisterWidth::new(random.pick(&[16, 16, 17, 18, 20, 32])).unwrap();
    IntegerMac { partial_sum: width(), accumulator: width() }
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

/// Weight registers that the energy model counts as written: see docs/model.md.
fn expected_writes(schedule: &Schedule, control: &Control) -> WeightWrites {
    let mut writes = WeightWrites::default();
    for fold in schedule.folds() {
        let View { rows, columns, .. } = schedule.widest(fold);
        writes.shadow += rows * (rows + 1) / 2 * columns;
        writes.link += rows * (rows - 1) / 2 * columns;
        writes.active += if control.double_buffer { rows * columns } else { 0 };
    }
    writes
}

#[test]
fn weight_stationary_cycles_and_integers_equal_closed_form_and_engine() {
    let mut random = Random(1);
    let mut wrapped = 0;
    for case in 0..600 {
        let (schedule, control) = random_case(&mut random, Dataflow::Ws);
        let values = integers(&mut random, schedule.gemm);
        let mac = integer_mac(&mut random);
        let payload = IntegerPayload { operands: values.operands(), mac };
        let loading = random.pick(&[Loading::Earliest, Loading::Latest]);
        let starts = control.starts(&schedule, loading);
        let run = weight_stationary(&schedule, &control, &starts, &payload).unwrap();
        let name = format!("case {case}: {schedule:?} {control:?}");
        assert_eq!(run.cycles, array_cycles(&schedule, &array(&schedule, &control)).0, "{name}");
        let k_per_fold = schedule.k_per_fold() as usize;
        let sums = values.dots(|a, w| integer_dot(a, w, mac, k_per_fold));
        wrapped += u32::from(sums.iter().any(|sum| sum.overflows > 0));
        let expected: Vec<i64> = sums.iter().map(|sum| i64::from(sum.accumulator)).collect();
        assert!(run.outputs == expected, "values of {name}");
        assert_eq!(run.weight_writes, expected_writes(&schedule, &control), "{name}");
    }
    assert!(wrapped > 100, "only {wrapped} layers wrap");
}

#[test]
fn weight_stationary_bf16_equals_the_engine_bit_for_bit() {
    let mut random = Random(2);
    for case in 0..300 {
        let (schedule, control) = random_case(&mut random, Dataflow::Ws);
        let values = floats(&mut random, schedule.gemm);
        let payload = Bf16Payload { operands: values.operands(), mac: Bf16Mac };
        let starts = control.starts(&schedule, Loading::Latest);
        let run = weight_stationary(&schedule, &control, &starts, &payload).unwrap();
        let k_per_fold = schedule.k_per_fold() as usize;
        let expected = values.dots(|a, w| bf16_dot(a, w, Bf16Mac, k_per_fold).to_bits());
        let found: Vec<u32> = run.outputs.iter().map(|sum| sum.to_bits()).collect();
        assert!(found == expected, "case {case}: {schedule:?}");
        assert_eq!(run.cycles, array_cycles(&schedule, &array(&schedule, &control)).0, "case {case}");
    }
}

/// Any cycle from the previous fold's first vector on may begin the loading.
#[test]
fn the_whole_loading_window_is_free_of_conflicts() {
    let mut random = Random(3);
    for _ in 0..200 {
        let (schedule, mut control) = random_case(&mut random, Dataflow::Ws);
        control.double_buffer = true;
        let mut starts = control.starts(&schedule, Loading::Earliest);
        for (start, latest) in starts.iter_mut().zip(control.starts(&schedule, Loading::Latest)) {
            start.load = random.within(start.load, latest.load);
        }
        let run = weight_stationary(&schedule, &control, &starts, &()).unwrap();
        assert_eq!(run.cycles, array_cycles(&schedule, &array(&schedule, &control)).0);
    }
}

/// No fold can begin one cycle earlier, wherever its weights are loaded.
#[test]
fn a_fold_one_cycle_earlier_breaks_the_array() {
    let mut random = Random(4);
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
            match weight_stationary(&schedule, &control, &starts, &()) {
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
fn input_stationary_is_the_transposed_layer_with_the_same_bits() {
    let mut random = Random(5);
    for case in 0..150 {
        let (schedule, control) = random_case(&mut random, Dataflow::Is);
        let starts = control.starts(&schedule, random.pick(&[Loading::Earliest, Loading::Latest]));
        let k_per_fold = schedule.k_per_fold() as usize;
        let name = format!("case {case}: {schedule:?} {control:?}");

        let values = integers(&mut random, schedule.gemm);
        let mac = integer_mac(&mut random);
        let payload = IntegerPayload { operands: values.operands(), mac };
        let run = input_stationary(&schedule, &control, &starts, &payload).unwrap();
        let expected = values.dots(|a, w| i64::from(integer_dot(a, w, mac, k_per_fold).accumulator));
        assert!(run.outputs == expected, "integers of {name}");
        assert_eq!(run.cycles, array_cycles(&schedule, &array(&schedule, &control)).0, "{name}");

        let values = floats(&mut random, schedule.gemm);
        let payload = Bf16Payload { operands: values.operands(), mac: Bf16Mac };
        let run = input_stationary(&schedule, &control, &starts, &payload).unwrap();
        let expected = values.dots(|a, w| bf16_dot(a, w, Bf16Mac, k_per_fold).to_bits());
        assert!(run.outputs.iter().map(|sum| sum.to_bits()).eq(expected), "bf16 of {name}");
    }
}

#[test]
fn output_stationary_cycles_and_values_equal_closed_form_and_engine() {
    let mut random = Random(6);
    for case in 0..400 {
        let (schedule, control) = random_case(&mut random, Dataflow::Os);
        let drain = random.pick(&[OutputDrain::Overlapped, OutputDrain::Blocking]);
        let latency = control.accumulator_latency;
        let starts = output_starts(&schedule, drain);
        let k = schedule.gemm.k as usize;
        let name = format!("case {case}: {schedule:?} {drain:?} A = {latency}");

        let values = integers(&mut random, schedule.gemm);
        let mac = integer_mac(&mut random);
        let payload = IntegerPayload { operands: values.operands(), mac };
        let run = output_stationary(&schedule, drain, latency, &starts, &payload).unwrap();
        assert_eq!(
            run.cycles,
            array_cycles(&schedule, &array_draining(&schedule, &control, drain)).0,
            "{name}"
        );
        let expected = values.dots(|a, w| i64::from(integer_dot(a, w, mac, k).accumulator));
        assert!(run.outputs == expected, "integers of {name}");

        let values = floats(&mut random, schedule.gemm);
        let payload = Bf16Payload { operands: values.operands(), mac: Bf16Mac };
        let run = output_stationary(&schedule, drain, latency, &starts, &payload).unwrap();
        let expected = values.dots(|a, w| bf16_dot(a, w, Bf16Mac, k).to_bits());
        assert!(run.outputs.iter().map(|sum| sum.to_bits()).eq(expected), "bf16 of {name}");
    }
}

#[test]
fn an_output_fold_one_cycle_earlier_breaks_the_array() {
    let mut random = Random(7);
    let (mut found, mut cases) = (Vec::new(), 0);
    while cases < 300 {
        let (schedule, control) = random_case(&mut random, Dataflow::Os);
        let drain = random.pick(&[OutputDrain::Overlapped, OutputDrain::Blocking]);
        let mut starts = output_starts(&schedule, drain);
        if starts.len() < 2 {
            continue;
        }
        cases += 1;
        let fold = random.within(1, starts.len() as u64 - 1) as usize;
        starts[fold] -= 1;
        match output_stationary(&schedule, drain, control.accumulator_latency, &starts, &()) {
            Ok(_) => panic!("fold {fold}: {schedule:?} {drain:?}"),
            Err(violation) => found.push(violation.conflict),
        }
    }
    for conflict in [Conflict::ActivationPort, Conflict::ResultLost, Conflict::NotDrained] {
        assert!(found.contains(&conflict), "no case trips on: {conflict}");
    }
}
