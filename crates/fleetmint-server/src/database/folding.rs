//! Text as a search compares it: upper and lower case are one, in any script, and so are a letter with its accent in one
//! character and in two.
//!
//! SQLite folds ASCII alone. What is searched is stored folded beside the text, so that a search costs no more than
//! before, on any database.

use diesel::QueryResult;
use icu_normalizer::ComposingNormalizerBorrowed;
use unicase::UniCase;

use super::Connection;

/// The text, folded: Unicode's default caseless matching (ß is ss), in the composed form.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let compose = ComposingNormalizerBorrowed::new_nfc();
    let folded = UniCase::unicode(compose.normalize(text)).to_folded_case();
    compose.normalize(&folded).into_owned()
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// [`fold`], for the migration that folded what was there before.
    #[sql_name = "fold"]
    fn sql_fold(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// Lets this connection's SQL call `fold`.
pub(super) fn register(connection: &mut Connection) -> QueryResult<()> {
    sql_fold_utils::register_impl(connection, |text: String| fold(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_and_lower_case_are_one_in_every_script() {
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
