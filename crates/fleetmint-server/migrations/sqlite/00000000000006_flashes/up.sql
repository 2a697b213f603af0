-- Writes of a device's identity onto a board, as the tools report them. `boards/mod.rs` has the rule for which board
-- carries which device.
CREATE TABLE flashes (
    id                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    device_id         INTEGER NOT NULL, -- no reference: a deleted device stays in the history of its boards
    -- The device, while this flash is why the board carries it. Each device and each board has one such flash at most.
    current_device_id INTEGER REFERENCES devices (id) ON DELETE SET NULL,
    mac               TEXT    NOT NULL,
    chip              TEXT    NOT NULL,
    partition_name    TEXT    NOT NULL,
    partition_offset  INTEGER NOT NULL,
    partition_size    INTEGER NOT NULL,
    tool              TEXT    NOT NULL,
    started_at        INTEGER NOT NULL,
    -- NULL until the end is reported.
    ended_at          INTEGER,
    outcome           TEXT    CHECK (outcome IN ('written', 'unchanged', 'failed')),
    sectors           INTEGER,
    bytes             INTEGER,
    reason            TEXT
) STRICT;
CREATE UNIQUE INDEX flashes_current_device ON flashes (current_device_id);
CREATE UNIQUE INDEX flashes_current_board ON flashes (mac) WHERE current_device_id IS NOT NULL;
CREATE INDEX flashes_by_device ON flashes (device_id, id);
CREATE INDEX flashes_by_mac ON flashes (mac, id);
CREATE INDEX flashes_by_started_at ON flashes (started_at, id);
