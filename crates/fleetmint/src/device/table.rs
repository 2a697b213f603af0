//! The columns of a table of devices, which `import` reads and `export` writes.

use fleetmint_board::provisioning::Setting;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Model,
    Name,
    Serial,
    Override(Setting),
}

impl Column {
    /// All of them, in the order of an export.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let overrides = Setting::OVERRIDABLE.into_iter().map(Self::Override);
        [Self::Model, Self::Name, Self::Serial].into_iter().chain(overrides)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Name => "name",
            Self::Serial => "serial",
            Self::Override(setting) => setting.key(),
        }
    }

    /// Whether a table must have it.
    pub(super) const fn is_required(self) -> bool {
        matches!(self, Self::Model | Self::Name)
    }

    /// The column of the value that the server refers to by a JSON pointer into a new device.
    pub(super) fn of_pointer(pointer: &str) -> Option<Self> {
        let name = match pointer.strip_prefix("/provisioning/") {
            Some(setting) => setting,
            None if pointer == "/device_model_id" => "model",
            None => pointer.strip_prefix('/')?,
        };
        Self::all().find(|column| column.name() == name)
    }
}
