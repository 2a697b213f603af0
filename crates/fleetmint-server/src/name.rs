//! What people call a model or a device.

use crate::change::Change;
use crate::violation::Violation;

/// The longest name in characters.
pub(crate) const MAX: usize = 200;

/// A name is not blank, has no control characters, and at most [`MAX`] characters.
pub(crate) fn check(name: &str, violations: &mut Vec<Violation>) {
    let rule = if name.trim().is_empty() {
        "the name must not be blank".to_owned()
    } else if name.chars().any(char::is_control) {
        "the name must have no control characters".to_owned()
    } else if name.chars().count() > MAX {
        format!(
            "the name has {} characters, at most {MAX} are allowed",
            name.chars().count()
        )
    } else {
        return;
    };
    violations.push(Violation::new("/name", rule));
}

/// A name may be changed, and not removed.
pub(crate) fn check_change(name: &Change<String>, violations: &mut Vec<Violation>) {
    match name {
        Change::Keep => {}
        Change::Set(None) => violations.push(Violation::new("/name", "the name cannot be removed")),
        Change::Set(Some(name)) => check(name, violations),
    }
}
