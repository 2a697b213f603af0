//! The differences between two listings as lines for people.

use std::fmt::Write as _;

use fleetmint_board::wiped::WipedText;
use fleetmint_nvs::diff::Difference;

use crate::exit::Failure;
use crate::terminal::shown;

/// Characters of a line that are shown.
const LINE_MAX: usize = 400;

/// Whether a report shows values.
pub(super) enum Values {
    /// It shows the type, the size and a fingerprint under this salt. The salt is new for each report: equal values in one
    /// report have equal fingerprints, and nobody can try values against them later.
    Masked([u8; 16]),
    /// It shows the values.
    Revealed,
}

impl Values {
    pub(super) fn masked() -> Result<Self, Failure> {
        Ok(Self::Masked(salt()?))
    }
}

/// A new salt for fingerprints.
pub(crate) fn salt() -> Result<[u8; 16], Failure> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)
        .map_err(|error| Failure::unusable(format_args!("the operating system gives no random bytes: {error}")))?;
    Ok(salt)
}

/// One line for each difference.
pub(super) fn text(differences: &[Difference<'_>], values: &Values) -> impl Iterator<Item = WipedText> {
    differences.iter().map(|difference| {
        let mut whole = WipedText::default();
        // Writing to memory does not fail.
        let _ = match values {
            Values::Masked(salt) => write!(whole, "{}", difference.masked(salt)),
            Values::Revealed => write!(whole, "{}", difference.revealed()),
        };
        let mut line = WipedText::from(shown(&whole, LINE_MAX));
        let _ = line.write_char('\n');
        line
    })
}
