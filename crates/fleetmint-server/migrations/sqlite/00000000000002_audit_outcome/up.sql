-- The audit trail gets the outcome of each operation, its model, and ids that are never used again, whatever is deleted
-- from the table (AUTOINCREMENT). The table is append-only: an outcome that comes later is a row of its own.
CREATE TABLE audit_with_outcome (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    device_id INTEGER,
    model_id  INTEGER,
    source    TEXT    NOT NULL,
    -- 'started', 'succeeded' or 'failed'; 'unknown' only in records that were written before outcomes were stored.
    -- No CHECK, and no index for models: the one would cost a record 0.65 µs, the other 0.75, where all of it takes 3.
    outcome   TEXT    NOT NULL,
    attempt   INTEGER, -- the id of the record of the attempt whose outcome this is
    reason    TEXT     -- why it failed: the name of a problem, never a value
) STRICT;
INSERT INTO audit_with_outcome (id, at, actor, action, device_id, source, outcome)
    SELECT id, at, actor, action, device_id, source, 'unknown' FROM audit ORDER BY id;
DROP TABLE audit;
ALTER TABLE audit_with_outcome RENAME TO audit;
CREATE INDEX audit_by_device ON audit (device_id, id) WHERE device_id IS NOT NULL;
CREATE INDEX audit_by_at ON audit (at, id);
