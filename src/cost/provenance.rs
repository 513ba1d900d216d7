//! Where an energy comes from, and what is left out with which reason.

use std::fmt;

use super::{AreaRange, EnergyRange};

/// How far a number can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Seen in the publication itself.
    Published,
    /// Published, seen in a secondary source.
    PublishedSecondary,
    /// Computed by a stated formula from other numbers of the same technology.
    Derived,
    /// Result of a tool run: synthesis, or a memory model such as CACTI.
    Synthesized,
    /// Another node's number, scaled by a stated formula.
    Borrowed,
    /// The user's own.
    User,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Published => "published",
            Self::PublishedSecondary => "published (via secondary source)",
            Self::Derived => "derived",
            Self::Synthesized => "synthesized",
            Self::Borrowed => "borrowed",
            Self::User => "user",
        })
    }
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// How far it can be trusted; `Derived` and `Borrowed` also say which kind of entry it is.
    pub standing: Standing,
    /// Publication, tool or person.
    pub source: String,
    /// Formula of a derived number, or original node and scaling of a borrowed one.
    pub derivation: Option<String>,
}

/// The energy of one action and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyPerAction {
    /// Energy of one action in pJ.
    pub energy: EnergyRange,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What a technology says about an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// Its energy.
    Given(EnergyPerAction),
    /// Left out, and why.
    Excluded {
        /// The file's reason.
        reason: String,
    },
}

/// The area of one MAC unit lane and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct AreaPerMac {
    /// Area of one multiplier with its adder in mm².
    pub area: AreaRange,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What a technology says about the area of a MAC unit.
#[derive(Clone, Debug, PartialEq)]
pub enum AreaLookup {
    /// Its area.
    Given(AreaPerMac),
    /// Left out, and why.
    Excluded {
        /// The file's reason.
        reason: String,
    },
}

/// Something a total does not contain. Totals with different exclusions cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exclusion {
    /// A part of the chip, or a component and the key path left out of it.
    pub what: String,
    /// Why.
    pub reason: String,
}
