//! The settings, one file per section, validated at start.

/// Everything that can be set.
#[derive(Debug, Default)]
pub struct Settings {}
