-- People: who was invited and has not come yet, how one signs in, and sessions that can be listed and ended.

ALTER TABLE user ADD COLUMN auth_type TEXT NOT NULL DEFAULT 'AUTH_TYPE_LOCAL';

ALTER TABLE session ADD COLUMN id TEXT NOT NULL DEFAULT '';       -- ses-…: names it, opens nothing
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
UPDATE session SET id = 'ses-' || lower(hex(randomblob(4)));
CREATE INDEX session_by_user ON session(user_id);

CREATE TABLE invitation (         -- its user is made with it, and has no password until it is accepted
    id          TEXT PRIMARY KEY,           -- i-…
    email       TEXT NOT NULL,
    user_id     TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
    creator     TEXT NOT NULL,              -- u-… or sa-…
    token_hash  BLOB NOT NULL UNIQUE,       -- SHA-256 of what the link holds
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL            -- 0: not yet
) STRICT;
