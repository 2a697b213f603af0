-- Lists of a fleet: each order, of all devices and of one model's, is read from an index.
CREATE INDEX devices_by_updated_at ON devices (updated_at, id);
CREATE INDEX devices_by_model_and_key ON devices (device_model_id, key, id);
CREATE INDEX devices_by_model_and_name ON devices (device_model_id, name, id);
CREATE INDEX devices_by_model_and_created_at ON devices (device_model_id, created_at, id);
CREATE INDEX devices_by_model_and_updated_at ON devices (device_model_id, updated_at, id);
