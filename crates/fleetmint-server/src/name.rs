//! Names of models and devices.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, WhiteSpace};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::change::FieldChange;
use crate::violation::Violation;

/// The longest name in characters.
pub(crate) const MAX: usize = 200;

/// The rules as a pattern for the OpenAPI document: no control characters, and at least one that can be seen. The few
/// invisible characters beyond U+FFFF cannot be in a pattern that all engines read alike; only [`check`] knows them.
pub(crate) const PATTERN: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f]*",
    r"[^\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680",
    r"\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0",
    r"\ufff0-\ufffb]",
    r"[^\u0000-\u001f\u007f-\u009f]*$"
);

/// Checks a name: at least one visible character, no control characters, at most [`MAX`] characters.
pub(crate) fn check(name: &str, violations: &mut Vec<Violation>) {
    check_line("/name", name, MAX, violations);
}

/// Checks one line of text for people, the member at `pointer`, by the rules of names with another limit.
pub(crate) fn check_line(pointer: &str, text: &str, max: usize, violations: &mut Vec<Violation>) {
    let member = pointer.rsplit('/').next().unwrap_or_default();
    let count = text.chars().count();
    let rule = if text.chars().any(char::is_control) {
        format!("the {member} must have no control characters")
    } else if !text.chars().any(is_visible) {
        format!("the {member} must not be blank")
    } else if count > max {
        format!("the {member} has {count} characters, at most {max} are allowed")
    } else {
        return;
    };
    violations.push(Violation::new(pointer, rule));
}

/// Whether a character is visible: spaces, fillers, joiners and direction marks are not.
fn is_visible(character: char) -> bool {
    /// A braille cell without dots is a symbol in Unicode, and blank on every screen.
    const BRAILLE_BLANK: char = '\u{2800}';
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let unseen = GeneralCategoryGroup::Separator
        .union(GeneralCategoryGroup::Control)
        .union(GeneralCategoryGroup::Format);
    !unseen.contains(category)
        && !CodePointSetData::new::<WhiteSpace>().contains(character)
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        && character != BRAILLE_BLANK
}

/// Checks a change: a name may be changed, not removed.
pub(crate) fn check_change(name: &FieldChange<String>, violations: &mut Vec<Violation>) {
    match name {
        FieldChange::Keep => {}
        FieldChange::Set(None) => violations.push(Violation::new("/name", "the name cannot be removed")),
        FieldChange::Set(Some(name)) => check(name, violations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> Option<String> {
        let mut violations = Vec::new();
        check(name, &mut violations);
        violations.pop().map(|violation| violation.detail)
    }

    #[test]
    fn a_name_has_a_visible_character() {
        for name in [
            "Kitchen",
            " a ",
            "厨房",
            "مطبخ",
            "👩\u{200d}🔧",
            "a\u{301}",
            "é\u{ad}",
            "⠁",
        ] {
            assert_eq!(rule(name), None, "{name}");
        }
        for invisible in [
            "",
            " ",
            "\u{a0}",
            "\u{ad}",
            "\u{200b}",
            "\u{200d}\u{2060}",
            "\u{202e}",
            "\u{2003}\u{3000}",
            "\u{2800}",
            "\u{115f}\u{1160}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{feff}",
            "\u{fe0f}",
            "\u{180e}",
            "\u{e0001}\u{e0020}",
        ] {
            assert_eq!(
                rule(invisible).as_deref(),
                Some("the name must not be blank"),
                "{invisible:?}"
            );
        }
        assert_eq!(
            rule("a\u{0}").as_deref(),
            Some("the name must have no control characters")
        );
        assert_eq!(
            rule("\u{85}").as_deref(),
            Some("the name must have no control characters")
        );
    }

    #[test]
    fn the_pattern_names_the_same_characters() {
        let class = PATTERN.split(['[', ']']).nth(3).unwrap();
        let mut codes = Vec::new();
        for part in class.trim_start_matches('^').split("\\u").skip(1) {
            let (code, range) = part.split_at(4);
            codes.push((u32::from_str_radix(code, 16).unwrap(), range == "-"));
        }
        let mut unseen = vec![false; 0x1_0000];
        let mut codes = codes.into_iter();
        while let Some((first, is_range)) = codes.next() {
            let last = if is_range { codes.next().unwrap().0 } else { first };
            (first..=last).for_each(|code| unseen[code as usize] = true);
        }
        for code in 0..0x1_0000 {
            if let Some(character) = char::from_u32(code) {
                assert_eq!(!is_visible(character), unseen[code as usize], "U+{code:04X}");
            }
        }
    }
}
