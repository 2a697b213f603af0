-- 1 in the first key, NULL in all others: of servers that start on a new database at once, one creates it.
ALTER TABLE signing_keys ADD COLUMN is_first INTEGER;
UPDATE signing_keys SET is_first = 1
WHERE kid = (SELECT kid FROM signing_keys ORDER BY created_at, kid LIMIT 1);
CREATE UNIQUE INDEX signing_keys_first ON signing_keys (is_first);
