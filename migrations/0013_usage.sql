-- What clusters used, a row a cluster and day (UTC). Rows outlive their clusters: somebody adds them up later.

CREATE TABLE usage_day (
    day                TEXT NOT NULL,      -- 2026-01-31
    cluster_id         TEXT NOT NULL,
    environment_id     TEXT NOT NULL,
    display_name       TEXT NOT NULL,      -- as it was named last on that day
    bytes_in           INTEGER NOT NULL DEFAULT 0,
    bytes_out          INTEGER NOT NULL DEFAULT 0,
    storage_byte_hours REAL NOT NULL DEFAULT 0,
    partition_hours    REAL NOT NULL DEFAULT 0,
    base_hours         REAL NOT NULL DEFAULT 0, -- that it was there and not paused
    PRIMARY KEY (day, cluster_id)
) STRICT;

CREATE TABLE usage_seen (                  -- what was counted up to when: a broker's totals begin anew with it
    cluster_id   TEXT PRIMARY KEY,
    at           INTEGER NOT NULL,
    bytes_in     INTEGER NOT NULL,
    bytes_out    INTEGER NOT NULL,
    bytes_stored INTEGER NOT NULL,
    partitions   INTEGER NOT NULL
) STRICT;

CREATE TABLE price (                       -- of a unit; none: 0
    line_type TEXT PRIMARY KEY,            -- KAFKA_STORAGE …
    price     REAL NOT NULL
) STRICT;
