ALTER TABLE devices DROP COLUMN name_folded;
ALTER TABLE device_models DROP COLUMN name_folded;
