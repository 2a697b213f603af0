DROP TABLE idempotency_keys;
DELETE FROM instance WHERE name = 'unsealed_userinfo';
ALTER TABLE devices DROP COLUMN mqtt_userinfo;
ALTER TABLE device_models DROP COLUMN mqtt_userinfo;
ALTER TABLE devices DROP COLUMN provider_proof;
DROP INDEX devices_by_serial;
ALTER TABLE devices DROP COLUMN serial;
