-- What the maker or owner of a device knows it by.
ALTER TABLE devices ADD COLUMN serial TEXT;
CREATE UNIQUE INDEX devices_by_serial ON devices (serial) WHERE serial IS NOT NULL;

-- Under the master key: that provider_ref is the id of this device's client. Without it the client's attribute decides.
ALTER TABLE devices ADD COLUMN provider_proof BLOB;

-- The answers to calls that may be made again. A row without an answer belongs to a device whose client is being created.
CREATE TABLE idempotency_keys (
    caller      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL, -- of the call, under the master key
    created_at  INTEGER NOT NULL,
    device_id   INTEGER,
    status      INTEGER,
    location    TEXT,
    etag        TEXT,
    body        BLOB,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_created_at ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_unanswered ON idempotency_keys (device_id) WHERE status IS NULL;

-- The user name and password of mqtt_url, sealed; mqtt_url itself has *** in their place.
ALTER TABLE device_models ADD COLUMN mqtt_userinfo BLOB;
ALTER TABLE devices ADD COLUMN mqtt_userinfo BLOB;

-- Only the program has the key to seal what is there already: it does so at the next start, and deletes this row.
INSERT INTO instance (name, value)
SELECT 'unsealed_userinfo', x'01'
WHERE EXISTS (SELECT 1 FROM device_models WHERE mqtt_url LIKE '%://%@%')
   OR EXISTS (SELECT 1 FROM devices WHERE mqtt_url LIKE '%://%@%');
