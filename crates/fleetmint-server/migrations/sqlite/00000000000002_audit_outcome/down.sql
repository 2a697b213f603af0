CREATE TABLE audit_before (
    id        INTEGER NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    device_id INTEGER,
    source    TEXT    NOT NULL
) STRICT;
INSERT INTO audit_before SELECT id, at, actor, action, device_id, source FROM audit ORDER BY id;
DROP TABLE audit;
ALTER TABLE audit_before RENAME TO audit;
CREATE INDEX audit_by_device ON audit (device_id, id) WHERE device_id IS NOT NULL;
CREATE INDEX audit_by_at ON audit (at, id);
