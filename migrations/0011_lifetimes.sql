-- Plans whose clusters end: they are paused when their time on the plan is over.

ALTER TABLE plan ADD COLUMN lifetime_ms INTEGER NOT NULL DEFAULT -1;       -- -1: no end
UPDATE plan SET lifetime_ms = 1209600000 WHERE name = 'trial';             -- 14 days
ALTER TABLE cluster ADD COLUMN plan_since INTEGER NOT NULL DEFAULT 0;      -- has its plan since then
UPDATE cluster SET plan_since = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
