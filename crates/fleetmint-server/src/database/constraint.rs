/// The unique constraints of the schema. A test compares them with a database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    InstanceName,
    DeviceModelCode,
    DeviceKey,
    DeviceClientId,
    DeviceSerial,
    ClientId,
    ClientDeviceKey,
    ClientSecretId,
    SigningKeyId,
    FirstSigningKey,
    IdempotencyKey,
    FlashCurrentDevice,
    FlashCurrentBoard,
    SessionId,
}

impl Constraint {
    pub(super) const ALL: [Self; 14] = [
        Self::InstanceName,
        Self::DeviceModelCode,
        Self::DeviceKey,
        Self::DeviceClientId,
        Self::DeviceSerial,
        Self::ClientId,
        Self::ClientDeviceKey,
        Self::ClientSecretId,
        Self::SigningKeyId,
        Self::FirstSigningKey,
        Self::IdempotencyKey,
        Self::FlashCurrentDevice,
        Self::FlashCurrentBoard,
        Self::SessionId,
    ];

    /// `table.column[, table.column …]`: SQLite's errors contain this text; on a database that names constraints, the
    /// constraint gets this name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::InstanceName => "instance.name",
            Self::DeviceModelCode => "device_models.code",
            Self::DeviceKey => "devices.key",
            Self::DeviceClientId => "devices.client_id",
            Self::DeviceSerial => "devices.serial",
            Self::ClientId => "clients.client_id",
            Self::ClientDeviceKey => "clients.device_key",
            Self::ClientSecretId => "client_secrets.id",
            Self::SigningKeyId => "signing_keys.kid",
            Self::FirstSigningKey => "signing_keys.is_first",
            Self::IdempotencyKey => "idempotency_keys.caller, idempotency_keys.key",
            Self::FlashCurrentDevice => "flashes.current_device_id",
            Self::FlashCurrentBoard => "flashes.mac",
            Self::SessionId => "sessions.id",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|constraint| constraint.name() == name)
    }
}

impl std::fmt::Display for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
