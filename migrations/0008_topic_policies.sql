-- What topics of an environment may be named, and how large: held whichever door makes them.

CREATE TABLE topic_policy (
    environment_id   TEXT PRIMARY KEY REFERENCES environment(id) ON DELETE CASCADE,
    name_prefix      TEXT NOT NULL,     -- '': any
    name_pattern     TEXT NOT NULL,     -- a regular expression of the whole name; '': any
    partitions_min   INTEGER NOT NULL,  -- -1: no limit, here and below
    partitions_max   INTEGER NOT NULL,
    retention_min_ms INTEGER NOT NULL,
    retention_max_ms INTEGER NOT NULL,
    description      TEXT NOT NULL      -- told to whoever is refused
) STRICT;
