//! Is the waveform what an independent reader of VCD files takes it for?

use systolab::mapping::Dataflow;
use systolab::rtl::Generated;

use super::{SMALL, design};

/// An independent reader finds in the waveform what the skew says: PE(r,c) holds vector 0 r + c cycles after PE(0,0).
#[test]
fn waveforms_are_read_by_others() {
    let generated = Generated::new(&design("edge-16x16", &SMALL), Dataflow::Ws).unwrap();
    let wave = generated.wave(&generated.layer(6, 5, 4, 1), 0..12).unwrap();
    assert_eq!(wave.recorded(), 12);
    let mut bytes = Vec::new();
    wave.write_vcd(&mut bytes).unwrap();
    let mut read = wellen::simple::read_from_reader(std::io::Cursor::new(bytes)).unwrap();
    let first_time = |read: &mut wellen::simple::Waveform, row: usize, column: usize| {
        let scope = format!("pe_{row}_{column}");
        let variable = read.hierarchy().lookup_var(&["array", &scope], "vector").unwrap();
        let signal = read.hierarchy()[variable].signal_ref();
        read.load_signals(&[signal]);
        let changes = read.get_signal(signal).unwrap().iter_changes();
        let mut zeros = changes.filter(|(_, value)| value.to_bit_string().unwrap() == "0".repeat(32));
        read.time_table()[zeros.next().unwrap().0 as usize]
    };
    let start = first_time(&mut read, 0, 0);
    for row in 0..4 {
        for column in 0..4 {
            assert_eq!(first_time(&mut read, row, column), start + (row + column) as u64);
        }
    }
    let picture = wave.to_svg();
    assert_eq!(picture.matches("<text").count(), 12);
    // The paper, a square of the grid, a frame per cycle, and the PEs that hold a vector: from cycle 4 on.
    let moving: usize = (0..8)
        .map(|after| (0..20).filter(|pe| (pe / 5 + pe % 5..pe / 5 + pe % 5 + 6).contains(&after)).count())
        .sum();
    assert_eq!(picture.matches("<rect").count(), 2 + 12 + moving);
}
