-- Topics that people ask for, with who may use them: decided by those who may create topics.

CREATE TABLE topic_request (
    seq           INTEGER PRIMARY KEY,  -- in the order they came
    id            TEXT NOT NULL UNIQUE, -- tr-…
    cluster_id    TEXT NOT NULL REFERENCES cluster(id),
    state         TEXT NOT NULL,        -- pending, approved, declined, withdrawn
    topic         TEXT NOT NULL,
    partitions    INTEGER NOT NULL,     -- -1: as usual
    configs       TEXT NOT NULL,        -- JSON: {"retention.ms": "3600000"}
    access        TEXT NOT NULL,        -- JSON: [{"principal", "operations": [], "group"}]
    justification TEXT NOT NULL,
    reason        TEXT NOT NULL,        -- of the decision
    requested_by  TEXT NOT NULL,
    requested_at  INTEGER NOT NULL,
    decided_by    TEXT NOT NULL,
    decided_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX topic_request_by_cluster ON topic_request(cluster_id, seq);
