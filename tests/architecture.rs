//! Does every module use only modules to its left?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The allowed edges, those of unit tests included. Data flows left to right; a new edge is a reviewed line.
const ALLOWED: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("scalesim", &["source"]),
    ("numerics", &[]),
    ("tensor", &[]),
    ("workload", &["source", "scalesim", "numerics", "tensor"]),
    ("hardware", &["source", "numerics"]),
    ("mapping", &["source", "numerics", "workload", "hardware"]),
    ("timing", &["source", "numerics", "workload", "hardware", "mapping"]),
    ("functional", &["numerics", "tensor", "workload", "mapping"]),
    ("calibrate", &["source", "numerics", "tensor", "workload", "functional"]),
    ("stepped", &["numerics", "mapping"]),
    ("rtl", &["source", "numerics", "hardware", "mapping", "timing", "stepped"]),
    ("cost", &["source", "numerics", "timing"]),
    (
        "explore",
        &[
            "source",
            "scalesim",
            "numerics",
            "tensor",
            "workload",
            "hardware",
            "mapping",
            "timing",
            "functional",
            "stepped",
            "cost",
        ],
    ),
    ("study", &["source", "numerics", "workload", "cost", "explore"]),
    ("validate", &["numerics", "tensor", "workload", "mapping", "stepped", "explore"]),
    ("inputs", &["source", "scalesim", "tensor", "workload", "hardware", "cost", "explore"]),
    ("sweep", &["source", "explore", "inputs"]),
    ("report", &["explore", "study", "validate"]),
    (
        "cli",
        &[
            "calibrate",
            "source",
            "scalesim",
            "tensor",
            "workload",
            "hardware",
            "rtl",
            "cost",
            "explore",
            "study",
            "validate",
            "inputs",
            "sweep",
            "report",
        ],
    ),
];

/// Words that would carry knowledge a module must not have, whatever the edges.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("timing", &["Params", "Tensor", "EvaluationSet"]),
    ("functional", &["Accelerator", "Cycles"]),
    ("stepped", &["array_cycles", "integer_dot", "bf16_dot"]),
    ("cost", &["Schedule", "Accelerator", "Network"]),
];

/// Modules whose folder is not under src/NAME but that are not part of the data flow.
const ROOTS: &[&str] = &["lib", "main"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix("src").unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Top-level modules named after `crate::`, also in braces.
fn used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                used.insert(identifier(rest).to_owned());
            }
            Some(group) => {
                let (mut depth, mut start) = (0, true);
                for (index, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if depth == 0 && start && c.is_alphabetic() => {
                            used.insert(identifier(&group[index..]).to_owned());
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    used
}

#[test]
fn modules_use_only_modules_to_their_left() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in rust_files(Path::new("src")) {
        let module = module_of(&file);
        if ROOTS.contains(&module.as_str()) {
            continue;
        }
        let code = code(&fs::read_to_string(&file).unwrap());
        let Some(edges) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` is not in the table", file.display()));
            continue;
        };
        for other in used(&code) {
            if other != module && !edges.contains(&other.as_str()) {
                wrong.push(format!("{}: `{module}` must not use `{other}`", file.display()));
            }
            seen.insert((module.clone(), other));
        }
        let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        for (_, forbidden) in FORBIDDEN.iter().filter(|(name, _)| *name == module) {
            for word in forbidden.iter().filter(|word| words.contains(**word)) {
                wrong.push(format!("{}: `{module}` must not know `{word}`", file.display()));
            }
        }
    }
    for (module, edges) in ALLOWED {
        for edge in edges.iter().filter(|edge| !seen.contains(&((*module).to_owned(), (**edge).to_owned()))) {
            wrong.push(format!("the table allows {module} → {edge}, which nothing uses: delete it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_ordered_left_to_right() {
    for (index, (module, edges)) in ALLOWED.iter().enumerate() {
        for edge in *edges {
            assert!(ALLOWED[..index].iter().any(|(left, _)| left == edge), "{module} → {edge} points right");
        }
    }
}

#[test]
fn only_the_simd_kernels_are_unsafe() {
    for file in rust_files(Path::new("src")) {
        let code = code(&fs::read_to_string(&file).unwrap());
        let is_unsafe =
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("allow(unsafe_code");
        let kernel = ["src/functional/avx2", "src/functional/avx512"]
            .iter()
            .any(|room| file.starts_with(room) || file == Path::new(room).with_extension("rs"));
        assert!(!is_unsafe || kernel, "{} is unsafe", file.display());
    }
}

#[test]
fn nothing_depends_on_hash_order_or_the_clock() {
    for file in rust_files(Path::new("src")) {
        let code = code(&fs::read_to_string(&file).unwrap());
        for word in ["HashMap", "HashSet", "SystemTime", "Instant::now"] {
            assert!(!code.contains(word), "{} uses {word}", file.display());
        }
    }
}
