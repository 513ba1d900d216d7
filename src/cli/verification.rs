//! Comparing a report with the one that lies in a folder.

use std::fs;
use std::path::Path;

use super::{Answer, Failure, print};

/// Compares every file of the folder with the file of that name made now, and prints where they differ.
/// Files that the folder does not have are not missed: a committed copy may be a part.
pub(super) fn verify(folder: &Path, files: &[(String, String)]) -> Result<Answer, Failure> {
    let failed = |error| format!("{}: cannot read: {error}", folder.display());
    let mut names: Vec<String> = fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    names.retain(|name| !name.starts_with('.') && folder.join(name).is_file());
    names.sort();
    if names.is_empty() {
        return Err(format!("{}: no file of a report to compare with", folder.display()).into());
    }
    let mut differing = 0;
    for name in &names {
        let path = folder.join(name);
        let there =
            fs::read_to_string(&path).map_err(|error| format!("{}: cannot read: {error}", path.display()))?;
        let difference = match files.iter().find(|(made, _)| made == name) {
            None => Some("this command makes no such file".to_owned()),
            Some((_, made)) => first_difference(&there, made),
        };
        if let Some(difference) = difference {
            differing += 1;
            print(&format!("{}: {difference}\n", path.display()))?;
        }
    }
    print(&format!("{}: {} files compared, {differing} differ\n", folder.display(), names.len()))?;
    Ok(if differing == 0 { Answer::Yes } else { Answer::No })
}

/// None if the texts are equal.
fn first_difference(there: &str, made: &str) -> Option<String> {
    if there == made {
        return None;
    }
    // Where one text ends, the other is compared with nothing.
    let [there, made] = [there, made].map(|text| text.split('\n').map(Some).chain(std::iter::repeat(None)));
    let (index, (was, is)) = there.zip(made).enumerate().find(|(_, (was, is))| was != is)?;
    let (number, was, is) = (index + 1, was.unwrap_or_default(), is.unwrap_or_default());
    Some(format!(
        "differs from line {number} on:\n  there {}\n  now   {}",
        shortened(was, is),
        shortened(is, was)
    ))
}

/// The line around the first difference.
fn shortened(line: &str, other: &str) -> String {
    const BEFORE: usize = 40;
    const LENGTH: usize = 120;
    let first = line.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let from = first.saturating_sub(BEFORE);
    let part: String = line.chars().skip(from).take(LENGTH).collect();
    let cut = |cut: bool| if cut { "…" } else { "" };
    format!("{}{part}{}", cut(from > 0), cut(line.chars().count() > from + LENGTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_has_its_line_and_both_texts() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let difference = first_difference("a\nb 1\nc\n", "a\nb 2\nd\n").unwrap();
        assert_eq!(difference, "differs from line 2 on:\n  there b 1\n  now   b 2");
        let longer = first_difference("a\n", "a\nb\n").unwrap();
        assert!(longer.starts_with("differs from line 2 on"), "{longer}");
    }
}
