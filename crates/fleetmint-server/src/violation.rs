//! What is wrong with one value that a caller sent.

/// The most violations that one answer lists: a caller that sends thousands of wrong values does not get thousands of
/// lines back.
pub(crate) const LISTED_MAX: usize = 32;

/// The longest pointer in characters: callers choose the names in it.
const POINTER_MAX: usize = 256;

/// The longest detail in characters.
const DETAIL_MAX: usize = 1024;

/// One value that breaks a rule. The text names the rule and its limit, never a secret's content.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Violation {
    /// The place of the value: a JSON pointer (RFC 6901) into the body, or `/` and the name of a query parameter.
    #[schema(example = "/provisioning/wifi_ssid")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(example = "wifi_ssid has 33 bytes, at most 32 are allowed")]
    pub detail: String,
}

impl Violation {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: bounded(pointer.into(), POINTER_MAX),
            detail: bounded(detail.into(), DETAIL_MAX),
        }
    }
}

/// The text, or its first characters and an ellipsis.
fn bounded(mut text: String, max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_a_caller_chooses_are_bounded() {
        let at_the_limit = "ü".repeat(POINTER_MAX);
        assert_eq!(Violation::new(&at_the_limit, "").pointer, at_the_limit);
        let beyond = Violation::new("ü".repeat(POINTER_MAX + 1), "x".repeat(1 << 20));
        assert_eq!(beyond.pointer, format!("{at_the_limit}…"));
        assert_eq!(beyond.detail.chars().count(), DETAIL_MAX + 1);
    }
}
