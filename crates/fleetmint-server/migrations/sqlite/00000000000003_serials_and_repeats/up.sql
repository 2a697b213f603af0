-- What the maker or owner of a device knows it by.
ALTER TABLE devices ADD COLUMN serial TEXT;
CREATE UNIQUE INDEX devices_by_serial ON devices (serial) WHERE serial IS NOT NULL;

-- The user name and password of mqtt_url, sealed; mqtt_url itself has *** in their place.
ALTER TABLE device_models ADD COLUMN mqtt_userinfo BLOB;
ALTER TABLE devices ADD COLUMN mqtt_userinfo BLOB;

-- Only the program has the key to seal what is there already: it does so at the next start, and deletes this row.
INSERT INTO instance (name, value)
SELECT 'unsealed_userinfo', x'01'
WHERE EXISTS (SELECT 1 FROM device_models WHERE mqtt_url LIKE '%://%@%')
   OR EXISTS (SELECT 1 FROM devices WHERE mqtt_url LIKE '%://%@%');
