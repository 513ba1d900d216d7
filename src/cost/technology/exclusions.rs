//! What a technology file says that no energy of it contains: `exclusions`.
//!
//! Knows names and reasons; must not know energies.

use crate::cost::Exclusion;
use crate::source::{SourceError, Spanned};

use super::raw::{RawExclusion, RawExclusions};
use super::source::TechnologySource;

/// The exclusions of one file, in its order.
pub(super) fn exclusions(
    file: TechnologySource<'_>,
    raw: &RawExclusions,
) -> Result<Vec<Exclusion>, SourceError> {
    let exclusion = |spanned: &Spanned<RawExclusion>| {
        let RawExclusion { name, reason } = spanned.get_ref();
        Ok(Exclusion {
            what: file.text("exclusions.components.name", name, spanned)?,
            reason: file.text("exclusions.components.reason", reason, spanned)?,
        })
    };
    raw.components.iter().map(exclusion).collect()
}

#[cfg(test)]
mod tests {
    use crate::cost::technology::fixture::{assert_refused, case};

    #[test]
    fn an_exclusion_has_a_reason() {
        assert_refused(&[case(
            "reason = \"unknown\"",
            "reason = \"\"",
            "`exclusions.components.reason` is empty",
            "{ name = \"clock tree\"",
        )]);
    }
}
