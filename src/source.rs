//! The text of a configuration file, and errors that point into it.
//!
//! Knows files, TOML and positions. Must not know what any key means.

mod parser_message;
mod schema;
mod spanned;
mod words;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

pub use schema::schema_of;
pub use spanned::Spanned;
pub(crate) use words::{any_of, of_unknown_key, unknown_value};

/// Larger configuration files are refused before they are read.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// A configuration file's name and text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
}

/// A configuration file that cannot be used: what, where, and what would be accepted.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Missing, unreadable, too large or not UTF-8.
    #[error("{}: cannot read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Readable, but not valid.
    #[error("{}", located(file, span.as_ref(), message))]
    Invalid {
        /// The file with its text.
        file: SourceFile,
        /// The offending bytes.
        span: Option<Range<usize>>,
        /// What is wrong and what would be accepted.
        message: String,
    },
}

impl SourceError {
    /// Dotted path of the key that it is about, if it is about one.
    pub fn key(&self) -> Option<String> {
        match self {
            Self::Invalid { file, span: Some(span), .. } => key_path(&file.text, span.start),
            _ => None,
        }
    }
}

impl SourceFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        let failed = |reason: String| SourceError::Read { path: path.to_owned(), reason };
        let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
        if !metadata.is_file() {
            return Err(failed("not a regular file".to_owned()));
        }
        if metadata.len() > MAX_TEXT_BYTES {
            return Err(failed(format!("{} bytes; at most {MAX_TEXT_BYTES} are accepted", metadata.len())));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Ok(Self::embedded(path, &text))
    }

    /// A text that is already in memory; `path` is for messages.
    pub fn embedded(path: impl Into<PathBuf>, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Where the text is from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's name without folder and extension.
    pub fn stem(&self) -> String {
        self.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    }

    /// SHA-256 of the text, hexadecimal.
    pub fn sha256(&self) -> String {
        sha256_hex(self.text.as_bytes())
    }

    /// Parses TOML.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, SourceError> {
        toml::from_str(&self.text).map_err(|error| SourceError::Invalid {
            file: self.clone(),
            span: error.span(),
            message: self
                .accepted_words::<T>(&error)
                .unwrap_or_else(|| parser_message::plain(error.message())),
        })
    }

    /// Of a value that should be one of some words, which the parser does not name: what it says of a text in its place.
    fn accepted_words<T: DeserializeOwned>(&self, error: &toml::de::Error) -> Option<String> {
        let span = error.span().filter(|_| error.message() == "wanted string or table")?;
        let found = self.text.get(span.clone())?;
        let mut text = self.text.to_string();
        text.replace_range(span.clone(), "\"\"");
        let error = toml::from_str::<T>(&text).err()?;
        let here = error.span().is_some_and(|other| other.start == span.start);
        let message = words::of_parser(error.message()).filter(|_| here)?;
        Some(format!("{found}: {}", message.strip_prefix("unknown value ``: ")?))
    }

    /// An error at `span`.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> SourceError {
        SourceError::Invalid { file: self.clone(), span: Some(span), message: message.into() }
    }

    /// An error of the file as a whole.
    pub fn error_in_file(&self, message: impl Into<String>) -> SourceError {
        SourceError::Invalid { file: self.clone(), span: None, message: message.into() }
    }

    /// An error at the value of a dotted path, `layer[2].name` inside arrays; of the file where it is not written.
    pub fn error_at(&self, path: &str, message: &str) -> SourceError {
        let table = toml::de::DeTable::parse(&self.text).ok();
        match table.and_then(|table| find_value(table.get_ref(), path)) {
            Some(span) => self.error(span, message),
            None => self.error_in_file(format!("`{path}`: {message}")),
        }
    }

    /// A warning at the byte `offset`: file, line, column and message.
    pub fn warning(&self, offset: usize, message: &str) -> String {
        let (line, column) = self.position(offset);
        format!("{}:{line}:{column}: {message}", self.path.display())
    }

    /// Line and column, from 1; the column counts characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// SHA-256, hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A key that orders names with runs of digits by their value: `width4` before `width16`.
pub fn natural_order(name: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    for run in name.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = run.trim_end_matches(|c: char| !c.is_ascii_digit());
        key.push((digits.parse().unwrap_or(0), run[digits.len()..].to_owned()));
    }
    key
}

fn located(file: &SourceFile, span: Option<&Range<usize>>, message: &str) -> String {
    let path = file.path.display();
    let Some(span) = span.filter(|span| span.start < file.text.len()) else {
        return format!("{path}: {message}");
    };
    let (line, column) = file.position(span.start);
    let excerpt = file.text.lines().nth(line - 1).unwrap_or_default();
    let marked =
        file.text.get(span.clone()).map_or(1, |text| text.lines().next().unwrap_or_default().chars().count());
    let underline = format!("{}{}", " ".repeat(column - 1), "^".repeat(marked.max(1)));
    let key = key_path(&file.text, span.start).map_or_else(String::new, |key| format!("`{key}`: "));
    let gutter = " ".repeat(line.to_string().len());
    format!("{path}:{line}:{column}: {key}{message}\n{gutter} |\n{line} | {excerpt}\n{gutter} | {underline}")
}

/// Dotted path of the innermost key or value at `offset`; `layer[2].name` inside arrays.
fn key_path(text: &str, offset: usize) -> Option<String> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let mut path = String::new();
    descend_table(table.get_ref(), offset, &mut path);
    (!path.is_empty()).then_some(path)
}

fn descend_table(table: &toml::de::DeTable<'_>, offset: usize, path: &mut String) {
    for (key, value) in table {
        if key.span().contains(&offset) || contains(value, offset) {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&quoted(key.get_ref()));
            descend_value(value.get_ref(), offset, path);
            return;
        }
    }
}

/// The span of the value of a dotted path of bare keys.
fn find_value(table: &toml::de::DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (name, index) = match first.split_once('[') {
        Some((name, index)) => (name, Some(index.strip_suffix(']')?.parse::<usize>().ok()?)),
        None => (first, None),
    };
    let (_, mut value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    if let (Some(index), toml::de::DeValue::Array(array)) = (index, value.get_ref()) {
        value = array.get(index)?;
    }
    match (rest, value.get_ref()) {
        (None, _) => Some(value.span()),
        (Some(rest), toml::de::DeValue::Table(table)) => find_value(table, rest),
        _ => None,
    }
}

fn descend_value(value: &toml::de::DeValue<'_>, offset: usize, path: &mut String) {
    match value {
        toml::de::DeValue::Table(table) => descend_table(table, offset, path),
        toml::de::DeValue::Array(array) => {
            if let Some(index) = array.iter().position(|element| contains(element, offset)) {
                let _ = write!(path, "[{index}]");
                descend_value(array[index].get_ref(), offset, path);
            }
        }
        _ => {}
    }
}

/// Whether `offset` lies in the value; a table's own span is only its header, so its entries count too.
fn contains(value: &toml::Spanned<toml::de::DeValue<'_>>, offset: usize) -> bool {
    value.span().contains(&offset)
        || match value.get_ref() {
            toml::de::DeValue::Table(table) => {
                table.iter().any(|(key, value)| key.span().contains(&offset) || contains(value, offset))
            }
            toml::de::DeValue::Array(array) => array.iter().any(|element| contains(element, offset)),
            _ => false,
        }
}

fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { format!("{key:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        #[allow(dead_code, reason = "only the parser reads it")]
        array: std::collections::BTreeMap<String, u32>,
    }

    #[test]
    fn errors_name_file_line_column_and_key() {
        let file = SourceFile::embedded("a.toml", "# first\n[array]\nrows = 4\ncols = \"x\"\n");
        let error = file.parse::<Raw>().unwrap_err().to_string();
        assert!(
            error.starts_with("a.toml:4:8: `array.cols`: string \"x\": expected a whole number from 0"),
            "{error}"
        );
        assert!(error.contains("4 | cols = \"x\"\n  |        ^^^"), "{error}");
        let file = SourceFile::embedded("a.toml", "array = {}\nrow = 4\n");
        let error = file.parse::<Raw>().unwrap_err().to_string();
        assert!(error.starts_with("a.toml:2:1: `row`: unknown key `row`: expected `array`"), "{error}");
    }

    #[test]
    fn values_of_other_types_name_the_accepted_words() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            One,
            Two,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Words {
            _word: Option<Word>,
            _more: Option<Word>,
        }
        for (value, found) in [("3", "3"), ("[1, 2]", "[1, 2]"), ("true", "true")] {
            let text = format!("_more = \"one\"\n_word = {value}\n");
            let error = SourceFile::embedded("a.toml", &text).parse::<Words>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("a.toml:2:9: `_word`: {found}: expected `one` or `two`")),
                "{error}"
            );
        }
        let parsed: Words = SourceFile::embedded("a.toml", "_word = \"two\"\n").parse().unwrap();
        assert!(matches!((parsed._word, parsed._more), (Some(Word::Two), None)));
        let _ = Word::One;
    }

    #[test]
    fn syntax_errors_have_a_position_too() {
        let error = SourceFile::embedded("a.toml", "[array\n").parse::<Raw>().unwrap_err().to_string();
        assert!(error.starts_with("a.toml:1:"), "{error}");
    }

    #[test]
    fn array_elements_are_numbered() {
        let text = "[[layer]]\nname = \"a\"\n[[layer]]\nname = \"b\"\n";
        assert_eq!(key_path(text, text.find("\"b\"").unwrap()).as_deref(), Some("layer[1].name"));
    }

    #[test]
    fn a_key_is_found_by_its_path() {
        let text = "[array]\nrows = 4\n[[mac]]\nbias = \"a\"\n[[mac]]\njoin = \"b\"\nbias = \"c\"\n";
        let file = SourceFile::embedded("a.toml", text);
        let starts = |path: &str, expected: &str| {
            let error = file.error_at(path, "no").to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        starts("array.rows", "a.toml:2:8: `array.rows`: no\n");
        starts("mac[1].bias", "a.toml:7:8: `mac[1].bias`: no\n");
        for absent in ["mac[0].join", "mac[2].bias", "array.cols", "array.rows.x", "rows"] {
            starts(absent, &format!("a.toml: `{absent}`: no"));
        }
    }

    #[test]
    fn a_folder_is_not_a_file() {
        let error = SourceFile::read(Path::new(".")).unwrap_err().to_string();
        assert_eq!(error, ".: cannot read: not a regular file");
    }

    #[test]
    fn numbers_in_names_are_ordered_by_value() {
        let mut names = ["r-width16-bf16", "r-width4-w8a8", "r-width8-bf16", "r-width4-bf16", "a"];
        names.sort_by_cached_key(|name| natural_order(name));
        assert_eq!(names, ["a", "r-width4-bf16", "r-width4-w8a8", "r-width8-bf16", "r-width16-bf16"]);
    }
}
