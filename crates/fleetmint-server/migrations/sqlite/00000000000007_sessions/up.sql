-- People who are signed in at the page. `id` is the SHA-256 of the 32 random bytes in the cookie, which are stored nowhere.
CREATE TABLE sessions (
    id         BLOB    NOT NULL PRIMARY KEY,
    proof      BLOB    NOT NULL, -- under the master key: that this program inserted the row, and when
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL  -- moves on while the session is used
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_expires_at ON sessions (expires_at);
