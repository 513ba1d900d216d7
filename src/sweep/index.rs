//! Which results a folder has: by id, where they stand; their texts stay on disk.

use std::collections::BTreeMap;

use crate::explore::{PointResult, Status};

use super::folder::number;

/// Where a result is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Byte offset in the journal.
    Journal(u64),
    /// A file of its own.
    File,
}

/// Every key path that some result sets.
#[derive(Debug, Default)]
pub(super) struct KeyPaths(BTreeMap<String, ()>);

/// Results by id.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: BTreeMap<u64, (Place, Status)>,
    key_paths: KeyPaths,
}

impl Index {
    /// Adds a result; a later one of the same id replaces it.
    pub(super) fn add(&mut self, result: &PointResult, place: Place) {
        for path in result.set.keys() {
            if !self.key_paths.0.contains_key(path) {
                self.key_paths.0.insert(path.clone(), ());
            }
        }
        if let Some(id) = number(&result.id) {
            self.places.insert(id, (place, result.status));
        }
    }

    /// Adds all of another index.
    pub(super) fn extend(&mut self, other: Self) {
        self.places.extend(other.places);
        self.key_paths.0.extend(other.key_paths.0);
    }

    pub(super) fn status(&self, id: u64) -> Option<Status> {
        self.places.get(&id).map(|(_, status)| *status)
    }

    pub(super) fn place(&self, id: u64) -> Option<Place> {
        self.places.get(&id).map(|(place, _)| *place)
    }

    /// All ids, ascending.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.places.keys().copied().collect()
    }

    pub(super) fn key_paths(&self) -> &KeyPaths {
        &self.key_paths
    }
}

impl KeyPaths {
    /// In alphabetical order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
