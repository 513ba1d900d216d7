//! Does what `systolab rtl emit` writes compile and say PASS without anything else?

use std::fs;
use std::path::Path;
use std::process::Command;

use super::simulators_are_there;

/// The last line that a tool says in a folder.
fn last_line(folder: &Path, script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{script}: {said}");
    said.trim_end().rsplit('\n').next().unwrap_or_default().to_owned()
}

#[test]
fn a_written_testbench_plays_its_layer_and_says_pass_or_fail() {
    if !simulators_are_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let design = folder.path().join("design.toml");
    for (hw, change, dataflow) in [
        ("gemmini-like", ("", ""), "os"),
        (
            "edge-16x16",
            ("along = \"k\", count = 2 }", "along = \"k\", count = 2 }\nlane_sum = \"block\""),
            "ws",
        ),
    ] {
        let text = fs::read_to_string(format!("hw-configs/{hw}.toml")).unwrap();
        let text = text.replacen("rows = 16", "rows = 4", 1).replacen("cols = 16", "cols = 5", 1);
        assert!(text.contains("rows = 4") && text.contains("cols = 5") && text.contains(change.0), "{hw}");
        fs::write(&design, text.replace(change.0, change.1)).unwrap();
        let out = folder.path().join("out");
        let emit = ["rtl", "emit", "--dataflow", dataflow, "--hw"];
        let mut emitted = Command::new(env!("CARGO_BIN_EXE_systolab"));
        let emitted = emitted.args(emit).arg(&design).arg("--out").arg(&out).output().unwrap();
        assert!(emitted.status.success(), "{}", String::from_utf8_lossy(&emitted.stderr));
        let said = String::from_utf8(emitted.stderr).unwrap();
        // Verilator's warnings are errors unless it is told otherwise. Without --hierarchical it sees other ones.
        let flat = "verilator --lint-only --timing --top-module systolab_testbench *.v && echo PASS";
        let wall = "iverilog -g2005 -Wall -s systolab_testbench -o simulation *.v && vvp simulation";
        let printed: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(printed.len(), 2, "{said}");
        for play in [printed[0], printed[1], flat, wall] {
            assert_eq!(last_line(&out, &format!("{play} | grep -x PASS")), "PASS", "{hw}, {dataflow}");
        }
        for file in ["sums.txt", "stored.txt"] {
            let expected = fs::read_to_string(out.join(file)).unwrap();
            let (first, rest) = expected.split_once('\n').unwrap();
            for wrong in [rest.to_owned(), format!("{expected}{first}\n"), format!("{expected}none\n")] {
                fs::write(out.join(file), wrong).unwrap();
                assert_eq!(last_line(&out, "vvp simulation"), "FAIL", "{hw}, {dataflow}, {file}");
            }
            fs::write(out.join(file), &expected).unwrap();
        }
        assert_eq!(last_line(&out, "vvp simulation"), "PASS");
        let nothing = ["stimulus", "sums", "stored"].map(|file| format!("+{file}=/dev/null")).join(" ");
        assert_eq!(last_line(&out, &format!("vvp simulation {nothing}")), "FAIL");
        assert_eq!(last_line(&out, "vvp simulation +sums=none.txt"), "FAIL");
    }
}
