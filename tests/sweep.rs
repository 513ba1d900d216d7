//! Does a sweep survive what happens to it, and lose or double nothing?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what was skipped")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const LIST: &str = "layer,m,n,k,groups,activation,weight\na,64,32,128,1,uint8,int8\n";

fn systolab(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_systolab"));
    command.current_dir(folder).args(arguments.split(' ')).stdin(Stdio::null());
    command
}

fn output(folder: &Path, arguments: &str) -> Output {
    systolab(folder, arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a sweep of 20 · `frequencies` points.
fn sweep(frequencies: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("list.csv"), LIST).unwrap();
    let text = format!(
        "schema_version = 1\nhardware = \"edge-32x32\"\nworkload = \"list.csv\"\n[axes]\n\
         \"hardware.array.rows\" = [4, 8, 16, 32]\n\"hardware.array.cols\" = [2, 4, 8, 16, 32]\n\
         \"hardware.frequency_hz\" = {{ from = 1000000, to = {frequencies}000000, step = 1000000 }}\n"
    );
    fs::write(folder.path().join("s.toml"), text).unwrap();
    folder
}

/// Ids in the journal, in its order.
fn ids(journal: &Path) -> Vec<String> {
    let text = fs::read_to_string(journal).unwrap();
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

#[test]
fn a_hundred_kills_lose_and_double_nothing() {
    let folder = sweep(250);
    let out = folder.path().join("killed");
    let (mut seed, mut unfinished) = (2021u64, 0);
    for _ in 0..100 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut run = systolab(folder.path(), "sweep run s.toml --out killed");
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(2 + (seed >> 33) % 60));
        unfinished += u32::from(run.try_wait().unwrap().is_none());
        run.kill().unwrap(); // SIGKILL
        run.wait().unwrap();
    }
    assert!(unfinished >= 50, "only {unfinished} kills hit a run that had not ended");
    let resumed = output(folder.path(), "sweep run s.toml --out killed");
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let whole = output(folder.path(), "sweep run s.toml --out whole");
    assert!(whole.status.success(), "{}", stderr(&whole));
    let found = ids(&out.join("results.jsonl"));
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (5000, 5000));
    for name in ["points.csv", "fronts.csv"] {
        let read = |folder: &Path| fs::read_to_string(folder.join(name)).unwrap();
        assert!(
            read(&out) == read(&folder.path().join("whole")),
            "{name} differs from that of a run without kills"
        );
    }
}

#[test]
fn corrupt_results_are_named_and_computed_again() {
    let folder = sweep(1);
    assert!(output(folder.path(), "sweep run s.toml --out out").status.success());
    let journal = folder.path().join("out/results.jsonl");
    let points = fs::read_to_string(folder.path().join("out/points.csv")).unwrap();
    let text = fs::read_to_string(&journal).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "\0\0\0";
    let cut = lines.join("\n");
    fs::write(&journal, &cut[..cut.len() - 9]).unwrap();
    let resumed = output(folder.path(), "sweep run s.toml --out out");
    assert!(resumed.status.success());
    let notes = stderr(&resumed);
    assert!(notes.contains("results.jsonl:3: not a result"), "{notes}");
    assert!(notes.contains("results.jsonl:20: the last line is cut off"), "{notes}");
    assert_eq!(fs::read_to_string(folder.path().join("out/points.csv")).unwrap(), points);
}

#[test]
fn points_of_any_engine_merge_into_the_same_tables() {
    let folder = sweep(2);
    let path = folder.path();
    assert!(output(path, "sweep run s.toml --out out").status.success());
    let expanded = output(path, "sweep expand s.toml").stdout;
    fs::write(path.join("points.jsonl"), &expanded).unwrap();
    let mut lines: Vec<String> = String::from_utf8(expanded).unwrap().lines().map(str::to_owned).collect();
    // In another order, some twice: what engines do.
    lines.reverse();
    lines.extend_from_within(..5);
    for half in lines.chunks(30) {
        let mut run = systolab(path, "sweep point - --out results").stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut run.stdin.take().unwrap(), half.join("\n").as_bytes()).unwrap();
        assert!(run.wait().unwrap().success());
    }
    assert!(output(path, "sweep merge results --points points.jsonl").status.success());
    for name in ["points.csv", "fronts.csv"] {
        let read = |folder: &str| fs::read_to_string(path.join(folder).join(name)).unwrap();
        assert_eq!(read("results"), read("out"), "{name}");
    }
    let id = ids(&path.join("out/results.jsonl")).remove(0);
    fs::remove_file(path.join(format!("results/{id}.json"))).unwrap();
    let merged = output(path, "sweep merge results --points points.jsonl");
    assert_eq!(merged.status.code(), Some(1));
    assert!(stderr(&merged).contains("1 missing"), "{}", stderr(&merged));
    assert!(output(path, &format!("sweep point {id} --points points.jsonl --out results")).status.success());
    assert!(output(path, "sweep merge results --points points.jsonl").status.success());
}

#[test]
fn a_failing_point_is_recorded_and_stops_nothing() {
    let folder = sweep(1);
    let file = folder.path().join("s.toml");
    let text = fs::read_to_string(&file).unwrap().replace("[4, 8, 16, 32]", "[4, 0]");
    fs::write(&file, text).unwrap();
    let run = output(folder.path(), "sweep run s.toml --out out");
    assert_eq!(run.status.code(), Some(1));
    let notes = stderr(&run);
    assert!(notes.contains("10 distinct points: 5 computed, 0 beyond a limit, 5 failed"), "{notes}");
    assert!(notes.contains("`hardware.array.rows`: 0: expected 1 to 4096"), "{notes}");
    assert!(notes.contains("s.toml:5:1: `axes.\"hardware.array.rows\"`: 0: expected 1 to 4096"), "{notes}");
}

/// Of a point, by way of the line that stands for it.
#[test]
fn points_are_mapped_for_the_objective_of_their_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let energy_of = |objective: &str| {
        let line = format!("objective = \"{objective}\"\n");
        let line = if objective == "latency" { "" } else { &line };
        let text =
            format!("schema_version = 1\nhardware = \"gemmini-like\"\nworkload = \"resnet50-w8a8\"\n{line}");
        fs::write(folder.path().join("s.toml"), text).unwrap();
        let points = String::from_utf8(output(folder.path(), "sweep expand s.toml").stdout).unwrap();
        let point = output(folder.path(), &format!("sweep point {} --out {objective}", points.trim_end()));
        assert!(point.status.success(), "{}", stderr(&point));
        let id =
            serde_json::from_str::<serde_json::Value>(&points).unwrap()["id"].as_str().unwrap().to_owned();
        let result = fs::read_to_string(folder.path().join(format!("{objective}/{id}.json"))).unwrap();
        let result: serde_json::Value = serde_json::from_str(&result).unwrap();
        let simulated = output(
            folder.path(),
            &format!(
                "simulate --hw gemmini-like --workload resnet50-w8a8 --cold --objective {objective} --format json"
            ),
        );
        let simulated: serde_json::Value = serde_json::from_slice(&simulated.stdout).unwrap();
        assert_eq!(result["metrics"]["latency_s"], simulated["totals"]["latency_s"]);
        (id, result["metrics"]["energy_per_image_uj"].as_f64().unwrap())
    };
    let [latency, energy] = ["latency", "energy"].map(energy_of);
    assert_ne!(latency.0, energy.0);
    assert!(energy.1 < latency.1, "{energy:?} {latency:?}");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let folder = sweep(1);
    let file = folder.path().join("s.toml");
    let text = fs::read_to_string(&file).unwrap().replace("array.rows", "array.row");
    fs::write(&file, text).unwrap();
    let check = output(folder.path(), "sweep check s.toml");
    assert_eq!(check.status.code(), Some(2));
    let error = stderr(&check);
    assert!(error.contains("no key `row` there; did you mean `hardware.array.rows`?"), "{error}");
    assert!(error.contains("s.toml:5:1"), "{error}");
}

/// What a build with the feature writes, `.ci/run` reads with pyarrow.
#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_is_refused_before_work_by_a_build_without_it() {
    let folder = sweep(1);
    let run = output(folder.path(), "sweep run s.toml --out out --parquet");
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(
        stderr(&run),
        "error: results.parquet: this systolab was built without the feature `parquet`; build it with \
         `cargo build --release --features parquet`\n"
    );
    assert!(!folder.path().join("out").exists());
}

#[test]
fn huge_sweeps_ask_first() {
    let folder = sweep(9000);
    for command in ["run s.toml --out out", "expand s.toml"] {
        let refused = output(folder.path(), &format!("sweep {command}"));
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            stderr(&refused).contains("180000 points; look at `systolab sweep check` first, and add --yes")
        );
    }
    assert!(output(folder.path(), "sweep check s.toml").stdout.starts_with(b"180000 points"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_whole_lines_and_a_run_goes_on() {
    let folder = sweep(20);
    let limited = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", "ulimit -f 32; exec \"$0\" sweep run s.toml --out out", env!("CARGO_BIN_EXE_systolab")])
        .output()
        .unwrap();
    assert_eq!(limited.status.code(), Some(2), "{}", stderr(&limited));
    assert!(
        stderr(&limited).contains("out/results.jsonl: cannot write: File too large"),
        "{}",
        stderr(&limited)
    );
    let kept = ids(&folder.path().join("out/results.jsonl"));
    assert!(kept.len() < 400);
    assert!(output(folder.path(), "sweep run s.toml --out out").status.success());
    let all = ids(&folder.path().join("out/results.jsonl"));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 400);
    assert_eq!(all[..kept.len()], kept[..]);

    fs::create_dir(folder.path().join("full")).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("full/results.jsonl")).unwrap();
    // /dev/full gives zeros without end when it is read, so it is refused before that.
    let full = output(folder.path(), "sweep run s.toml --out full");
    assert_eq!(full.status.code(), Some(2));
    assert!(stderr(&full).contains("full/results.jsonl: not a regular file"), "{}", stderr(&full));
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_an_error_before_work() {
    let folder = sweep(1);
    let run = output(folder.path(), "sweep run s.toml --out /proc/systolab");
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).starts_with("error: /proc/systolab: cannot create: "), "{}", stderr(&run));
}

#[test]
fn two_runs_on_one_folder_are_refused() {
    let folder = sweep(1);
    fs::create_dir(folder.path().join("out")).unwrap();
    let lock = fs::File::create(folder.path().join("out/.lock")).unwrap();
    lock.lock().unwrap();
    let run = output(folder.path(), "sweep run s.toml --out out");
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains("out: another run is writing here"), "{}", stderr(&run));
}

/// Runs a script in a mount namespace of its own, where `disk` is a file system of `bytes`; None where mounting is not
/// permitted and not required.
#[cfg(target_os = "linux")]
fn with_small_disk(folder: &Path, bytes: u64, script: &str) -> Option<Output> {
    fs::create_dir(folder.join("disk")).unwrap();
    let mount = format!("mount -t tmpfs -o size={bytes} systolab disk");
    let namespace = |script: &str| {
        Command::new("unshare")
            .current_dir(folder)
            .args(["--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_systolab")])
            .output()
    };
    if !namespace(&mount).is_ok_and(|output| output.status.success()) {
        let required = std::env::var("SYSTOLAB_REQUIRED_TOOLS").unwrap_or_default();
        assert!(
            !required.contains("unshare"),
            "mounting is not permitted, and SYSTOLAB_REQUIRED_TOOLS needs it"
        );
        eprintln!("skipped: mounting a small file system is not permitted");
        return None;
    }
    Some(namespace(&format!("{mount} && {script}")).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_keeps_whole_lines() {
    let folder = sweep(20);
    let path = folder.path();
    let script = "\"$0\" sweep run s.toml --out disk/out; code=$?; cp -r disk/out kept; exit $code";
    let Some(full) = with_small_disk(path, 64 << 10, script) else { return };
    assert_eq!(full.status.code(), Some(2), "{}", stderr(&full));
    let error = stderr(&full);
    assert!(error.contains("disk/out/results.jsonl: cannot write: No space left on device"), "{error}");
    assert!(error.contains("results up to the last whole line are kept"), "{error}");
    let kept = ids(&path.join("kept/results.jsonl"));
    assert!(!kept.is_empty() && kept.len() < 400, "{}", kept.len());
    assert!(output(path, "sweep run s.toml --out kept").status.success());
    let all = ids(&path.join("kept/results.jsonl"));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 400);
    assert_eq!(all[..kept.len()], kept[..]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_that_does_not_fit_leaves_the_old_one() {
    let folder = sweep(20);
    let path = folder.path();
    assert!(output(path, "sweep run s.toml --out out").status.success());
    fs::write(path.join("out/points.csv"), "the old table\n").unwrap();
    let journal = fs::metadata(path.join("out/results.jsonl")).unwrap().len();
    let script = "mkdir disk/out && cp out/results.jsonl out/points.csv disk/out && \"$0\" sweep merge disk/out; \
                  code=$?; cp -r disk/out after; exit $code";
    let Some(full) = with_small_disk(path, journal + (16 << 10), script) else { return };
    assert_eq!(full.status.code(), Some(2), "{}", stderr(&full));
    let error = stderr(&full);
    assert!(error.contains("disk/out/points.csv: cannot write: No space left on device"), "{error}");
    assert_eq!(fs::read_to_string(path.join("after/points.csv")).unwrap(), "the old table\n");
    let mut left: Vec<_> =
        fs::read_dir(path.join("after")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["points.csv", "results.jsonl"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_not_ours_to_write_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = sweep(1);
    let path = folder.path();
    assert!(output(path, "sweep run s.toml --out out").status.success());
    let before = fs::read(path.join("out/points.csv")).unwrap();
    for readable in ["", "out"] {
        fs::set_permissions(path.join(readable), fs::Permissions::from_mode(0o555)).unwrap();
    }
    // Root may write anywhere, so it becomes nobody.
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let as_nobody = |arguments: &str| {
        let mut command = Command::new(if root { "setpriv" } else { env!("CARGO_BIN_EXE_systolab") });
        if root {
            command.args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                env!("CARGO_BIN_EXE_systolab"),
            ]);
        }
        command.current_dir(path).args(arguments.split(' ')).output().unwrap()
    };
    for (arguments, expected) in [
        ("sweep run s.toml --out out", "error: out/.lock: cannot write: Permission denied"),
        ("sweep run s.toml --out new", "error: new: cannot create: Permission denied"),
        ("sweep merge out", "error: out/points.csv: cannot write: Permission denied"),
    ] {
        let run = as_nobody(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments}: {}", stderr(&run));
        assert!(stderr(&run).starts_with(expected), "{arguments}: {}", stderr(&run));
    }
    for writable in ["out", ""] {
        fs::set_permissions(path.join(writable), fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(fs::read(path.join("out/points.csv")).unwrap(), before);
}

/// What docs/formats.md says of xargs.
#[cfg(unix)]
#[test]
fn xargs_shares_points_out() {
    let folder = sweep(2);
    let path = folder.path();
    assert!(output(path, "sweep run s.toml --out out").status.success());
    let script = "\"$0\" sweep expand s.toml > points.jsonl && \
                  tr '\\n' '\\0' < points.jsonl | xargs -0 -P 2 -I {} \"$0\" sweep point {} --out results && \
                  \"$0\" sweep merge results --points points.jsonl";
    let shared = Command::new("sh")
        .current_dir(path)
        .args(["-c", script, env!("CARGO_BIN_EXE_systolab")])
        .output()
        .unwrap();
    assert!(shared.status.success(), "{}", stderr(&shared));
    let read = |folder: &str| fs::read_to_string(path.join(folder).join("points.csv")).unwrap();
    assert_eq!(read("results"), read("out"));
}
