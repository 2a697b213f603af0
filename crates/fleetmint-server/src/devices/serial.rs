//! Serials: the maker's or owner's own number for a device.

use crate::change::FieldChange;
use crate::violation::Violation;

/// The longest serial in characters.
pub(crate) const MAX: usize = 64;

/// The rule as a regular expression, for the OpenAPI document.
pub(crate) const PATTERN: &str = "^[!-~]([ -~]{0,62}[!-~])?$";

/// Checks a serial: 1 to [`MAX`] printable ASCII characters, as on a label, with no space at either end.
pub(crate) fn check(serial: &str, violations: &mut Vec<Violation>) {
    let printable = serial.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if serial.is_empty() || serial.len() > MAX || !printable || serial.trim() != serial {
        violations.push(Violation::new(
            "/serial",
            format!("serial must be 1 to {MAX} printable ASCII characters, without spaces at its ends"),
        ));
    }
}

/// Checks a change: a serial may be changed and removed.
pub(crate) fn check_change(serial: &FieldChange<String>, violations: &mut Vec<Violation>) {
    if let Some(serial) = serial.value() {
        check(serial, violations);
    }
}
