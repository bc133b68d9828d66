-- An offset reset whose commit was sent and not answered yet: finished by the next leatd when this one is killed.
CREATE TABLE reset_under_way (
    id         INTEGER PRIMARY KEY,
    cluster_id TEXT NOT NULL REFERENCES cluster(id) ON DELETE CASCADE,
    group_id   TEXT NOT NULL,
    request    BLOB NOT NULL          -- OffsetCommit, version 8, without its header
) STRICT;
CREATE INDEX reset_under_way_by_cluster ON reset_under_way(cluster_id);
