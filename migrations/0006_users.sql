-- Each broker runs as a user (and group) of its own when leatd is root. NULL: has none yet.
ALTER TABLE broker ADD COLUMN uid INTEGER;
CREATE UNIQUE INDEX broker_by_uid ON broker(uid);
