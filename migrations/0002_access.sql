-- What Kafka's own admin clients set beside ACLs: SCRAM users and client quotas.

CREATE TABLE scram_user (         -- a row a mechanism; the principal is User:<name>
    cluster_id TEXT NOT NULL REFERENCES cluster(id),
    name       TEXT NOT NULL,
    mechanism  INTEGER NOT NULL,            -- Kafka's numbers: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
    iterations INTEGER NOT NULL,
    salt       BLOB NOT NULL,
    stored_key BLOB NOT NULL,
    server_key BLOB NOT NULL,
    PRIMARY KEY (cluster_id, name, mechanism)
) STRICT;

CREATE TABLE kafka_quota (        -- client_quota (cq-…) holds those that REST sets
    cluster_id TEXT NOT NULL REFERENCES cluster(id),
    parts      INTEGER NOT NULL,            -- which the entity has: 1 user, 2 client-id, 4 ip
    user       TEXT NOT NULL,               -- '' = the default one, or no such part
    client_id  TEXT NOT NULL,
    ip         TEXT NOT NULL,
    producer_byte_rate       REAL,          -- NULL = not set
    consumer_byte_rate       REAL,
    request_percentage       REAL,
    controller_mutation_rate REAL,
    connection_creation_rate REAL,
    PRIMARY KEY (cluster_id, parts, user, client_id, ip)
) STRICT;
