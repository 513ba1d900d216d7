//! INI files as Python's configparser reads them, with the place of every value.

use std::ops::Range;

use crate::source::{SourceError, SourceFile};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A key in lower case and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Value,
}

/// A section; its name is case-sensitive.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) entries: Vec<Entry>,
}

/// Sections in the order of the file: `key : value` or `key = value`, whole-line comments with `#` or `;`,
/// indented lines continue the value above.
pub(super) fn parse(file: &SourceFile) -> Result<Vec<Section>, SourceError> {
    let mut sections: Vec<Section> = Vec::new();
    let mut key_indent = None;
    let mut start = 0;
    for line in file.text().split_inclusive('\n') {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        let span = start + indent..start + indent + text.len();
        start += line.len();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(entry) = sections
            .last_mut()
            .filter(|_| key_indent.is_some_and(|key| indent > key))
            .and_then(|section| section.entries.last_mut())
        {
            entry.value.text = format!("{}\n{text}", entry.value.text);
            entry.value.span.end = span.end;
            continue;
        }
        if let Some(name) = text.strip_prefix('[') {
            let Some((name, _)) = name.split_once(']') else {
                return Err(file.error(span, "a section needs a closing `]`"));
            };
            if sections.iter().any(|section| section.name == name) {
                return Err(file.error(span, format!("section `{name}` stands twice")));
            }
            sections.push(Section { name: name.to_owned(), span, entries: Vec::new() });
            key_indent = None;
            continue;
        }
        let Some(delimiter) = text.find([':', '=']) else {
            return Err(file.error(span, "expected `[section]`, `key : value` or `key = value`"));
        };
        let Some(section) = sections.last_mut() else {
            return Err(file.error(span, "a key before the first `[section]`"));
        };
        let (key, value) = (text[..delimiter].trim_end(), &text[delimiter + 1..]);
        let key_span = span.start..span.start + key.len();
        let value_start = span.end - value.trim_start().len();
        let value = Value { text: value.trim().to_owned(), span: value_start..span.end };
        let key = key.to_lowercase();
        if section.entries.iter().any(|entry| entry.key == key) {
            return Err(file.error(key_span, format!("key `{key}` stands twice in [{}]", section.name)));
        }
        section.entries.push(Entry { key, key_span, value });
        key_indent = Some(indent);
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_as_configparser_finds_them() {
        let text = "# c\n[a]\nKey: 1 \n  x=2 # no comment\n[b]\nurl = http://x\n; c\nempty=\n";
        let sections = parse(&SourceFile::embedded("x.cfg", text)).unwrap();
        let flat: Vec<_> = sections
            .iter()
            .flat_map(|section| {
                section.entries.iter().map(|entry| (&section.name[..], &entry.key[..], &entry.value.text[..]))
            })
            .collect();
        assert_eq!(flat, [("a", "key", "1\nx=2 # no comment"), ("b", "url", "http://x"), ("b", "empty", "")]);
    }

    #[test]
    fn wrong_lines_have_a_place() {
        for (text, expected) in [
            ("[a\n", "x.cfg:1:1: a section needs a closing `]`"),
            ("[a]\n[a]\n", "x.cfg:2:1: section `a` stands twice"),
            ("k : 1\n", "x.cfg:1:1: a key before the first `[section]`"),
            ("[a]\nk\n", "x.cfg:2:1: expected `[section]`, `key : value` or `key = value`"),
            ("[a]\nk = 1\nK : 2\n", "x.cfg:3:1: key `k` stands twice in [a]"),
        ] {
            let error = parse(&SourceFile::embedded("x.cfg", text)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "expected {expected:?} in:\n{error}");
        }
    }
}
