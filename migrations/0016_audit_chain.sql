-- The audit log as a chain: each row's hash is over its content and the hash of the row before. Rows are
-- never changed, and only the oldest go, when there are more than 200000. leatd chains rows from before
-- this at its next start.

ALTER TABLE audit ADD COLUMN previous BLOB;  -- NULL: not chained yet
ALTER TABLE audit ADD COLUMN hash BLOB;

CREATE TABLE audit_head (         -- the newest row, so that cutting the log short shows
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    id   INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit WHEN OLD.hash IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit WHEN OLD.id > (SELECT max(id) FROM audit) - 200000
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
