-- Plans in full, and limits of single clusters that differ from their plan's.

ALTER TABLE plan ADD COLUMN retention_ms INTEGER NOT NULL DEFAULT -1;      -- greatest of a topic
ALTER TABLE plan ADD COLUMN connections_per_s INTEGER NOT NULL DEFAULT -1;
ALTER TABLE plan ADD COLUMN requests_per_s INTEGER NOT NULL DEFAULT -1;
UPDATE plan SET retention_ms = 604800000, connections_per_s = 50, requests_per_s = 2000 WHERE name = 'trial';
UPDATE plan SET connections_per_s = 100, requests_per_s = 10000 WHERE name = 'basic';
UPDATE plan SET connections_per_s = 500, requests_per_s = 50000 WHERE name = 'standard';

CREATE TABLE cluster_limit (      -- in place of the plan's; its units (cku) do not multiply it
    cluster_id TEXT NOT NULL REFERENCES cluster(id),
    name       TEXT NOT NULL,     -- a column of plan
    value      INTEGER NOT NULL,  -- -1 = no limit
    PRIMARY KEY (cluster_id, name)
) STRICT;
