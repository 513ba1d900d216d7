//! `hardware.array.rows`, `hardware.mac[*].lanes.count`: a place in a design or network file.

use std::fmt;

/// Which file a key path is rooted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    Hardware,
    Workload,
}

impl Root {
    /// As key paths begin.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Workload => "workload",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    /// An element of an array; None is every element.
    Index(Option<usize>),
}

/// A place in a file; tables on the way are created where they are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPath {
    text: String,
    root: Root,
    steps: Vec<Step>,
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl KeyPath {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected a key path like `hardware.array.rows`, `hardware.mac[*].lanes.count` or \
                        `workload.precision.default`";
        let mut parts = text.split('.');
        let root = match parts.next() {
            Some("hardware") => Root::Hardware,
            Some("workload") => Root::Workload,
            _ => return Err(format!("a key path starts with `hardware.` or `workload.`; {expected}")),
        };
        let mut steps = Vec::new();
        for part in parts {
            let (key, mut indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if key.is_empty() {
                return Err(expected.to_owned());
            }
            steps.push(Step::Key(key.to_owned()));
            while let Some((index, rest)) = indices.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                let index = match index {
                    "*" => None,
                    number => Some(number.parse().map_err(|_| expected.to_owned())?),
                };
                steps.push(Step::Index(index));
                indices = rest;
            }
            if !indices.is_empty() {
                return Err(expected.to_owned());
            }
        }
        if steps.is_empty() {
            Err(expected.to_owned())
        } else {
            Ok(Self { text: text.to_owned(), root, steps })
        }
    }

    pub(super) fn root(&self) -> Root {
        self.root
    }

    /// Whether the place of another path, `hardware.mac[1].lanes.count`, is this one or lies in it.
    pub(super) fn covers(&self, other: &str) -> bool {
        Self::parse(other).is_ok_and(|other| {
            let same = |(mine, theirs): (&Step, &Step)| mine == theirs || *mine == Step::Index(None);
            self.root == other.root
                && self.steps.len() <= other.steps.len()
                && self.steps.iter().zip(&other.steps).all(same)
        })
    }

    /// The path with its last-but-`from_end` key replaced, for suggestions.
    pub(super) fn with_key(&self, wrong: &str, right: &str) -> String {
        self.text
            .split('.')
            .map(|part| if part == wrong { right } else { part })
            .collect::<Vec<_>>()
            .join(".")
    }

    /// Writes `value` at this place.
    pub(super) fn set(&self, table: &mut toml::Table, value: &toml::Value) -> Result<(), String> {
        let Some((Step::Key(first), rest)) = self.steps.split_first() else {
            return Err(format!("`{self}`: no key"));
        };
        let entry = table.entry(first.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        self.descend(entry, rest, value)
    }

    fn descend(&self, at: &mut toml::Value, steps: &[Step], value: &toml::Value) -> Result<(), String> {
        let Some((step, rest)) = steps.split_first() else {
            *at = value.clone();
            return Ok(());
        };
        match (step, at) {
            (Step::Key(key), toml::Value::Table(table)) => {
                let entry =
                    table.entry(key.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
                self.descend(entry, rest, value)
            }
            (Step::Index(None), toml::Value::Array(elements)) if !elements.is_empty() => {
                elements.iter_mut().try_for_each(|element| self.descend(element, rest, value))
            }
            (Step::Index(Some(index)), toml::Value::Array(elements)) => {
                let count = elements.len();
                match elements.get_mut(*index) {
                    Some(element) => self.descend(element, rest, value),
                    None => Err(format!("`{self}`: no element {index}; there are {count}")),
                }
            }
            (Step::Key(key), toml::Value::Array(_)) => {
                Err(format!("`{self}`: `{key}` is below an array; write [0] or [*] after the array's name"))
            }
            (Step::Key(key), _) => Err(format!("`{self}`: `{key}` is below a value that is no table")),
            (Step::Index(_), _) => Err(format!("`{self}`: an index is only for arrays that are there")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_or_one() {
        let mut table: toml::Table =
            "mac = [{ lanes = { count = 1 } }, { lanes = { count = 1 } }]".parse().unwrap();
        KeyPath::parse("hardware.mac[*].lanes.count").unwrap().set(&mut table, &2.into()).unwrap();
        KeyPath::parse("hardware.mac[1].lanes.count").unwrap().set(&mut table, &4.into()).unwrap();
        KeyPath::parse("hardware.array.count").unwrap().set(&mut table, &3.into()).unwrap();
        let expected: toml::Table =
            "array = { count = 3 }\nmac = [{ lanes = { count = 2 } }, { lanes = { count = 4 } }]"
                .parse()
                .unwrap();
        assert_eq!(table, expected);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "hardware",
            "array.rows",
            "hardware..rows",
            "hardware.mac[x].a",
            "hardware.mac[0",
            "workload.",
        ] {
            assert!(KeyPath::parse(text).is_err(), "{text}");
        }
        let mut table: toml::Table = "mac = [{ a = 1 }]\nx = 1".parse().unwrap();
        for text in ["hardware.mac.a", "hardware.mac[1].a", "hardware.x.y", "hardware.x[0]"] {
            assert!(KeyPath::parse(text).unwrap().set(&mut table, &1.into()).is_err(), "{text}");
        }
    }
}
