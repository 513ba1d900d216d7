//! Is it said what cannot be generated, and which tool is missing, old or failing?

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::Dataflow;
use systolab::rtl::Generated;

use super::design;

/// All the tools that there are, and a folder for temporary files.
struct Tools {
    folder: TempDir,
}

impl Tools {
    /// Name and shell script.
    fn new(tools: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for (name, script) in tools {
            let path = folder.path().join("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder }
    }

    fn rtl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_systolab"));
        let (path, temporary) = (self.folder.path().join("bin"), self.folder.path().join("tmp"));
        command.arg("rtl").args(arguments).env("PATH", path).env("TMPDIR", temporary);
        command
    }

    fn temporary_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("tmp")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        found
    }
}

/// What `systolab rtl` says where these are all the tools there are, its exit code and how many temporary files it left.
fn with_tools(tools: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, usize) {
    let tools = Tools::new(tools);
    let output = tools.rtl(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), tools.temporary_files().len())
}

#[test]
fn tools_that_are_missing_old_or_fail_are_named() {
    let check = ["check", "--hw", "edge-16x16", "--cases", "1"];
    let icarus = ("iverilog", "echo Icarus Verilog version 11.0");
    let (code, said, left) = with_tools(&[], &check);
    assert_eq!((code, left), (Some(2), 0));
    assert!(said.contains("verilator: cannot run") && said.contains("Debian package `verilator`"), "{said}");

    let (code, said, left) = with_tools(&[("verilator", "echo Verilator 4.228 2022"), icarus], &check);
    assert_eq!((code, left), (Some(2), 0));
    assert!(said.contains("verilator: too old: it says `Verilator 4.228 2022`; expected 5.006"), "{said}");

    let fails = "case $1 in --version) echo Verilator 9.001;; *) i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; \
                 done; exit 3;; esac";
    let (code, said, left) = with_tools(&[("verilator", fails), icarus], &check);
    assert_eq!((code, left), (Some(2), 0), "{said}");
    assert!(said.contains("Verilator 9.001: not tested; tested with 5.006"), "{said}");
    assert!(
        said.contains("verilator failed; its last lines:\nline 19\n") && said.contains("line 30"),
        "{said}"
    );

    let silent =
        with_tools(&[("yosys", "true")], &["synth", "--hw", "edge-16x16", "--liberty", "Cargo.toml"]);
    assert_eq!((silent.0, silent.2), (Some(2), 0));
    assert!(silent.1.contains("yosys printed no result"), "{}", silent.1);

    let wordless = "case $1 in -V) echo Yosys 0.23;; *) exit 7;; esac";
    let synth = ["synth", "--hw", "edge-16x16", "--liberty", "Cargo.toml"];
    let (code, said, _) = with_tools(&[("yosys", wordless)], &synth);
    assert_eq!(code, Some(2));
    assert!(said.contains("yosys failed; its last lines:\nnone; it ended with exit status: 7"), "{said}");
}

/// Not after minutes of compiling or synthesizing: no tool is there to be asked.
#[test]
fn wrong_arguments_are_refused_before_any_tool_runs() {
    for (arguments, expected) in [
        (&["check", "--hw", "edge-16x16", "--workload", "none-such"][..], "--workload none-such"),
        (&["wave", "--hw", "edge-16x16", "--gemm", "8,8,8", "--cycles", "0..4"], "--picture <FILE>"),
        (
            &[
                "wave",
                "--hw",
                "edge-16x16",
                "--gemm",
                "4096,4096,4096",
                "--cycles",
                "0..4",
                "--wave",
                "/none/w.vcd",
            ],
            "--gemm 4096,4096,4096: it takes",
        ),
    ] {
        let (code, said, left) = with_tools(&[], arguments);
        assert_eq!((code, left), (Some(2), 0), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

/// Of an array that is long one way, some drawn layers would take more cycles than are simulated.
#[test]
fn random_layers_of_long_arrays_can_be_played() {
    let changes = [
        ("rows = 16", "rows = 1"),
        ("cols = 16", "cols = 512"),
        ("dataflows = [\"ws\"]", "dataflows = [\"os\"]"),
    ];
    let generated = Generated::new(&design("edge-16x16", &changes), Dataflow::Os).unwrap();
    for layer in generated.random_layers(20, 1) {
        generated.stimulus(&layer).unwrap();
    }
}

#[test]
fn a_design_without_verilog_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (code, said, _) = with_tools(&[], &["emit", "--hw", "tpuv4i-like", "--out", out.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(said.contains("`array.count`"), "{said}");
    assert!(!out.exists());
    let (code, said, left) = with_tools(&[], &["check", "--hw", "tpuv4i-like"]);
    assert_eq!((code, left), (Some(2), 0));
    assert!(said.contains("`array.count`"), "{said}");
}

/// File, line and key of what has no Verilog, and what would.
#[test]
fn what_has_no_verilog_is_refused_where_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("d.toml"), folder.path().join("out"));
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == "edge-16x16").unwrap();
    let last = text.rfind("accumulator_bits = 32\n").unwrap();
    let text = format!("{}bias = \"preload\"\n{}", &text[..last], &text[last..]);
    std::fs::write(&path, &text).unwrap();
    let line = text.lines().position(|line| line.starts_with("bias")).unwrap() + 1;
    let unit = text[..last].matches("[[mac]]").count() - 1;
    assert!(unit > 0);
    let (hw, out) = (path.to_str().unwrap(), out.to_str().unwrap());
    let (code, said, _) = with_tools(&[], &["emit", "--hw", hw, "--out", out]);
    assert_eq!(code, Some(2));
    let expected = format!(
        "{hw}:{line}:8: `mac[{unit}].bias`: `preload` is not generated in this version; expected `after-last-fold`"
    );
    assert!(said.contains(&expected), "{said}");
}

/// Only with `--keep`, and never in a folder of somebody else.
#[test]
fn files_of_a_synthesis_are_kept_on_demand() {
    let yosys = "case $1 in -V) echo Yosys 0.23;; *) printf 'Number of cells: 3\nChip area for module: 24.5\n' >area.txt;; \
                 esac";
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let keep = ["--keep", kept.to_str().unwrap()];
    let synth = ["synth", "--hw", "edge-16x16", "--liberty", "Cargo.toml"];
    let (code, said, left) = with_tools(&[("yosys", yosys)], &synth);
    assert_eq!((code, left), (Some(0), 0), "{said}");
    for _ in 0..2 {
        let (code, said, left) = with_tools(&[("yosys", yosys)], &[&synth[..], &keep[..]].concat());
        assert_eq!((code, left), (Some(0), 0), "{said}");
        assert!(kept.join("(int8,int8)-20-PE/synthesize.ys").exists());
    }
    std::fs::remove_file(kept.join(".systolab-rtl")).unwrap();
    let (code, said, _) = with_tools(&[("yosys", yosys)], &[&synth[..], &keep[..]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("exists and was not kept by an earlier run"), "{said}");
}

#[test]
fn what_has_no_verilog_is_refused_by_its_key() {
    let refused = |design: &Accelerator, dataflow| Generated::new(design, dataflow).unwrap_err().to_string();
    let assert_refused = |design: &Accelerator, key: &str| {
        assert!(refused(design, Dataflow::Ws).starts_with(&format!("`{key}`")), "{key}");
    };
    assert_refused(&design("tpuv4i-like", &[]), "array.count");
    // 8 bits enter a row or a column of it in a cycle.
    for (rows, cols, key) in
        [("257", "256", "array.rows"), ("1025", "1", "array.rows"), ("1", "1025", "array.cols")]
    {
        let (rows, cols) = (format!("rows = {rows}"), format!("cols = {cols}"));
        assert_refused(&design("tpuv1-like", &[("rows = 256", &rows), ("cols = 256", &cols)]), key);
    }
    assert!(Generated::new(&design("tpuv1-like", &[]), Dataflow::Ws).is_ok());
    let late = [("accumulator_latency_cycles = 1", "accumulator_latency_cycles = 1025")];
    assert_refused(&design("edge-16x16", &late), "array.accumulator_latency_cycles");
    assert!(refused(&design("edge-16x16", &[]), Dataflow::Os).starts_with("`array.dataflows`"));
    // Equal widths, so that folds may be chained.
    let chained = "partial_sum_bits = 32\naccumulator_bits = 32\njoin = \"chained\"";
    let widths = "partial_sum_bits = 20\naccumulator_bits = 32";
    assert_refused(&design("edge-16x16", &[(widths, chained)]), "mac.join");
    for rounding in ["rto", "rtz"] {
        let changed = format!("rounding = \"{rounding}\"");
        assert_refused(&design("edge-16x16", &[("rounding = \"rne\"", &changed)]), "mac.rounding");
    }
    let block = "lane_sum = \"block\"\nrounding = \"rne\"";
    assert_refused(&design("edge-16x16", &[("rounding = \"rne\"", block)]), "mac.lane_sum");
    let first = "lanes = { along = \"k\", count = 2 }\noverflow = \"saturate\"\nlane_sum = \"first\"";
    assert_refused(&design("edge-16x16", &[("lanes = { along = \"k\", count = 2 }", first)]), "mac.lane_sum");
}

/// Compiles for five seconds.
fn slow_tools() -> Tools {
    let compiles = "case $1 in --version) echo Verilator 5.006;; *) : > compiling; exec /bin/sleep 5;; esac";
    Tools::new(&[("verilator", compiles), ("iverilog", "echo Icarus Verilog version 11.0")])
}

/// Starts a program behind another one, which sets what signals do.
fn behind(program: &str, arguments: &[&str], of: &Command) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).arg(of.get_program()).args(of.get_args());
    command.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until it compiles.
fn send(tools: &Tools, process: &mut Child, signal: &str) {
    while !tools.temporary_files().iter().any(|path| path.ends_with("compiling")) {
        assert_eq!(process.try_wait().unwrap(), None, "it ends before it compiles");
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Builds are hundreds of megabytes.
#[test]
fn nothing_is_left_where_a_signal_ends_it() {
    let tools = slow_tools();
    for signal in ["-INT", "-TERM", "-HUP"] {
        // Jobs in the background of a shell may ignore INT.
        let check = tools.rtl(&["check", "--hw", "edge-16x16"]);
        let mut process = behind("/usr/bin/env", &["--default-signal=INT,TERM,HUP"], &check);
        send(&tools, &mut process, signal);
        let status = process.wait().unwrap();
        assert_eq!((status.code(), tools.temporary_files()), (None, vec![]), "{signal}: {status}");
    }
}

/// As `nohup` starts it.
#[test]
fn an_ignored_signal_does_not_end_it() {
    let tools = slow_tools();
    let check = tools.rtl(&["check", "--hw", "edge-16x16"]);
    let mut process = behind("/bin/sh", &["-c", "trap '' HUP; exec \"$0\" \"$@\""], &check);
    send(&tools, &mut process, "-HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(process.try_wait().unwrap(), None, "HUP ended it");
    process.kill().unwrap();
    process.wait().unwrap();
}
