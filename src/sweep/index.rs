//! Which results a folder has: by id, where they stand; their texts stay on disk.

use std::collections::BTreeMap;

use crate::explore::{PointResult, Status};

use super::folder::number;
use super::point_table::Kind;

/// Where a result is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Byte offset in the journal.
    Journal(u64),
    /// A file of its own.
    File,
}

/// Every key path that some result sets, and what it is set to.
#[derive(Debug, Default)]
pub(super) struct KeyPaths(BTreeMap<String, Kind>);

/// Results by id.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: BTreeMap<u64, (Place, Status)>,
    key_paths: KeyPaths,
}

impl Index {
    /// Adds a result; a later one of the same id replaces it.
    pub(super) fn add(&mut self, result: &PointResult, place: Place) {
        for (path, value) in &result.set {
            self.key_paths.add(path, Kind::of(value));
        }
        if let Some(id) = number(&result.id) {
            self.places.insert(id, (place, result.status));
        }
    }

    /// Adds all of another index.
    pub(super) fn extend(&mut self, other: Self) {
        self.places.extend(other.places);
        other.key_paths.0.iter().for_each(|(path, kind)| self.key_paths.add(path, *kind));
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
    fn add(&mut self, path: &str, kind: Kind) {
        match self.0.get_mut(path) {
            Some(known) => *known = known.and(kind),
            None => {
                self.0.insert(path.to_owned(), kind);
            }
        }
    }

    /// In alphabetical order.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.0.iter().map(|(path, kind)| (path.as_str(), *kind))
    }
}
