//! Do the shells complete what `systolab completions` prints?
//!
//! A shell that is not installed is skipped, with the reason, unless `SYSTOLAB_REQUIRED_TOOLS` names it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what was skipped")]

use std::fs;
use std::process::Command;

const SYSTOLAB: &str = env!("CARGO_BIN_EXE_systolab");

/// What is typed after `systolab`, and the only word that it can become.
const TYPED: [(&[&str], &str); 4] = [
    (&["simu"], "simulate"),
    (&["sweep", "m"], "merge"),
    (&["simulate", "--timing", "st"], "stepped"),
    // A value of a positional argument, which clap_complete's script for fish does not know.
    (&["schema", "swe"], "sweep"),
];

fn installed(shell: &str) -> bool {
    if Command::new(shell).arg("--version").output().is_ok() {
        return true;
    }
    let required = std::env::var("SYSTOLAB_REQUIRED_TOOLS").unwrap_or_default();
    assert!(!required.contains(shell), "no {shell}, and SYSTOLAB_REQUIRED_TOOLS names it");
    eprintln!("skipped: {shell} is not installed");
    false
}

/// What a shell prints of `script`, whose `$0` is systolab.
fn printed(shell: &str, options: &[&str], script: &str, words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let completions = Command::new(SYSTOLAB).args(["completions", shell]).output().unwrap().stdout;
    fs::write(folder.path().join("_systolab"), completions).unwrap();
    let output = Command::new(shell)
        .current_dir(folder.path())
        .args(options)
        .args(["-c", script, SYSTOLAB])
        .args(words)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn bash() {
    let script = "source ./_systolab; COMP_WORDS=(systolab \"$@\"); COMP_CWORD=$#; \
                  _systolab systolab \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
                  echo \"${COMPREPLY[@]}\"";
    for (words, expected) in TYPED {
        assert_eq!(printed("bash", &["--norc"], script, words), expected, "{words:?}");
    }
}

#[test]
fn zsh() {
    if !installed("zsh") {
        return;
    }
    // Types into a zsh at a terminal of its own: the words, a tab, and a key that shows the line.
    let script = "zmodload zsh/zpty; zpty terminal zsh -f -i; \
                  zpty -w terminal \"fpath=($PWD \\$fpath); autoload -Uz compinit; compinit -u -D; \
                    show() { print -r -- \\\"<\\$BUFFER>\\\" }; zle -N show; bindkey '^T' show\"; \
                  zpty -w -n terminal \"systolab $*\"$'\\t\\x14'; \
                  zpty -r terminal line $'*<systolab *>*'; print -r -- \"${${line##*<}%%>*}\"";
    for (words, expected) in TYPED {
        let line = printed("zsh", &["-f"], script, words);
        let before = &words[..words.len() - 1];
        assert_eq!(line, [&["systolab"], before, &[expected]].concat().join(" "), "{words:?}");
    }
}

#[test]
fn fish() {
    if !installed("fish") {
        return;
    }
    let script = "source ./_systolab; complete -C \"systolab $argv[2..]\"";
    for (words, expected) in &TYPED[..3] {
        let found = printed("fish", &["--no-config"], script, words);
        assert_eq!(found.split('\t').next(), Some(*expected), "{words:?}: {found}");
    }
}
