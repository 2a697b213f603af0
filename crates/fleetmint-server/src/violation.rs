//! What is wrong with one value that a caller sent.

/// One value that breaks a rule. The text names the rule and its limit, never a secret's content.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Violation {
    /// Where the value is: a JSON pointer (RFC 6901) into the body, or `/` and the name of a query parameter.
    #[schema(example = "/provisioning/wifi_ssid")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(example = "wifi_ssid has 33 bytes, at most 32 are allowed")]
    pub detail: String,
}

impl Violation {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}
