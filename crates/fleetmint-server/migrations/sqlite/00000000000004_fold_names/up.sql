-- Names as the search compares them: without the difference of upper and lower case, in any script. The function
-- fold() is this program's own.
ALTER TABLE device_models ADD COLUMN name_folded TEXT NOT NULL DEFAULT '';
UPDATE device_models SET name_folded = fold(name);
ALTER TABLE devices ADD COLUMN name_folded TEXT NOT NULL DEFAULT '';
UPDATE devices SET name_folded = fold(name);
