//! Text as a search compares it: upper and lower case are equal in any script, and so are an accented letter as one
//! character and as two.
//!
//! Databases fold differently (SQLite only ASCII). So searchable columns are stored a second time, folded, which also
//! makes the search cheap.

use icu_normalizer::ComposingNormalizerBorrowed;
use unicase::UniCase;

/// The text, folded: Unicode's default caseless matching (ß is ss), in the composed form.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let compose = ComposingNormalizerBorrowed::new_nfc();
    let folded = UniCase::unicode(compose.normalize(text)).to_folded_case();
    compose.normalize(&folded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_and_lower_case_are_equal_in_every_script() {
        for (one, other) in [
            ("KITCHEN", "kitchen"),
            ("É", "é"),
            ("CAFÉ", "cafe\u{301}"),
            ("STRASSE", "Straße"),
            ("ẞ", "ß"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ЩИТ", "щит"),
            ("Ａ", "ａ"),
            ("ŉ", "ʼN"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("e"), fold("é"));
        assert_eq!(fold("50%_\\"), "50%_\\");
    }
}
