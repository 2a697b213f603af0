-- Times are microseconds since the epoch, UTC. Ids of models and devices are never used twice (AUTOINCREMENT): the
-- audit trail goes on naming a device after it is gone.

-- Facts about this database itself: the master key's check value, the administrator token's hash.
CREATE TABLE instance (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device_models (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    code          TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    -- Overrides of the provisioning settings: NULL inherits, '' is this level's answer.
    base_url      TEXT,
    token_url     TEXT,
    mqtt_url      TEXT,
    wifi_ssid     TEXT,
    wifi_password BLOB,    -- sealed
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX device_models_by_name ON device_models (name, id);
CREATE INDEX device_models_by_created_at ON device_models (created_at, id);

CREATE TABLE devices (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key             TEXT    NOT NULL UNIQUE,
    device_model_id INTEGER NOT NULL REFERENCES device_models (id),
    name            TEXT    NOT NULL,
    client_id       TEXT    NOT NULL UNIQUE,
    provider_ref    TEXT,    -- the client's own id at an outside provider
    -- What is being done to it; readers see active rows alone.
    state           TEXT    NOT NULL CHECK (state IN ('creating', 'active', 'deleting')),
    lease_owner     TEXT,    -- who is at work on the client,
    lease_until     INTEGER, -- and until when nobody else may be
    base_url        TEXT,
    token_url       TEXT,
    mqtt_url        TEXT,
    wifi_ssid       TEXT,
    wifi_password   BLOB,    -- sealed
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX devices_by_model ON devices (device_model_id, id);
CREATE INDEX devices_by_name ON devices (name, id);
CREATE INDEX devices_by_created_at ON devices (created_at, id);
CREATE INDEX devices_unsettled ON devices (id) WHERE state <> 'active' OR lease_owner IS NOT NULL;

-- The built-in identity provider: its clients, their secrets (several may be live at once), its signing keys.
CREATE TABLE clients (
    client_id  TEXT    NOT NULL PRIMARY KEY,
    device_key TEXT    NOT NULL UNIQUE,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE client_secrets (
    id         TEXT    NOT NULL PRIMARY KEY,
    client_id  TEXT    NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    secret     BLOB    NOT NULL, -- sealed
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX client_secrets_by_client ON client_secrets (client_id, created_at);

CREATE TABLE signing_keys (
    kid        TEXT    NOT NULL PRIMARY KEY,
    secret     BLOB    NOT NULL, -- sealed
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Without AUTOINCREMENT, which would keep the last id in a row of its own, written with each record: the newest records
-- are never deleted, so no id comes twice.
CREATE TABLE audit (
    id        INTEGER NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    device_id INTEGER,
    source    TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_by_device ON audit (device_id, id) WHERE device_id IS NOT NULL;
CREATE INDEX audit_by_at ON audit (at, id);
