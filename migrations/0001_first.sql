-- The first schema: who there is, what runs, and what it may do.
-- Times are milliseconds since 1970. Ids carry their prefix (env-, lkc-, sa-, u-, cq-).

CREATE TABLE setting (            -- one row a fact of the installation
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;                         -- organisation_id, organisation_name, session_epoch …

CREATE TABLE environment (
    id           TEXT PRIMARY KEY,
    display_name TEXT NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE plan (
    name                TEXT PRIMARY KEY,   -- trial, basic, standard, dedicated
    ingress_bytes_per_s INTEGER NOT NULL,   -- -1 = no limit, here and below
    egress_bytes_per_s  INTEGER NOT NULL,
    storage_bytes       INTEGER NOT NULL,
    partitions          INTEGER NOT NULL,
    connections         INTEGER NOT NULL,
    message_bytes       INTEGER NOT NULL,
    memory_bytes        INTEGER NOT NULL,
    auto_create_topics  INTEGER NOT NULL,
    default_partitions  INTEGER NOT NULL
) STRICT;

INSERT INTO plan VALUES
 ('trial',      1048576,   2097152,    1073741824,   100,   100,  1048588,  33554432, 1, 1),
 ('basic',      5242880,  15728640,   10737418240,   500,   500,  8388608,  67108864, 1, 6),
 ('standard',  26214400,  78643200,  107374182400,  2500,  2000,  8388608, 134217728, 1, 6),
 ('dedicated',       -1,        -1,            -1, 10000, 10000, 20971520, 268435456, 1, 6);

CREATE TABLE cluster (
    id                  TEXT PRIMARY KEY,
    environment_id      TEXT NOT NULL REFERENCES environment(id),
    display_name        TEXT NOT NULL,
    plan                TEXT NOT NULL REFERENCES plan(name),
    kind                TEXT NOT NULL,      -- config.kind as asked for: Basic, Standard, Dedicated
    cku                 INTEGER NOT NULL DEFAULT 1,
    availability        TEXT NOT NULL,
    cloud               TEXT NOT NULL,
    region              TEXT NOT NULL,
    tag                 TEXT NOT NULL DEFAULT 'test',   -- production, staging, test
    deletion_protection INTEGER NOT NULL DEFAULT 0,
    metadata_version    INTEGER NOT NULL DEFAULT 0,
    store_id            TEXT NOT NULL DEFAULT '',
    deleting            INTEGER NOT NULL DEFAULT 0,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX cluster_by_name ON cluster(environment_id, display_name) WHERE deleting = 0;

CREATE TABLE broker (             -- one row a process that should run; the port never changes
    cluster_id TEXT NOT NULL REFERENCES cluster(id),
    node_id    INTEGER NOT NULL,
    port       INTEGER NOT NULL UNIQUE,
    wanted     TEXT NOT NULL DEFAULT 'running',  -- running, stopped
    PRIMARY KEY (cluster_id, node_id)
) STRICT;

CREATE TABLE topic (
    cluster_id         TEXT NOT NULL REFERENCES cluster(id),
    id                 TEXT NOT NULL,       -- Kafka's 22 characters
    name               TEXT NOT NULL,
    partitions         INTEGER NOT NULL,
    replication_factor INTEGER NOT NULL,
    internal           INTEGER NOT NULL DEFAULT 0,
    created_at         INTEGER NOT NULL,
    PRIMARY KEY (cluster_id, name)
) STRICT;
CREATE UNIQUE INDEX topic_by_id ON topic(cluster_id, id);

CREATE TABLE topic_config (
    cluster_id TEXT NOT NULL,
    topic      TEXT NOT NULL,
    name       TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (cluster_id, topic, name),
    FOREIGN KEY (cluster_id, topic) REFERENCES topic(cluster_id, name) ON DELETE CASCADE
) STRICT;

CREATE TABLE service_account (
    id           TEXT PRIMARY KEY,
    display_name TEXT NOT NULL UNIQUE,
    description  TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE user (
    id            TEXT PRIMARY KEY,
    login         TEXT NOT NULL UNIQUE,     -- what is typed at the login page
    full_name     TEXT NOT NULL,
    password_salt BLOB NOT NULL,
    password_hash BLOB NOT NULL,            -- scrypt N=2^17, r=8, p=1
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,            -- SHA-256 of the cookie's value
    user_id    TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
    id           TEXT PRIMARY KEY,          -- 16 of A-Z2-7; the login name
    owner        TEXT NOT NULL,             -- sa-… or u-…
    cluster_id   TEXT REFERENCES cluster(id),   -- NULL: a cloud key
    display_name TEXT NOT NULL,
    description  TEXT NOT NULL,
    secret_salt  BLOB NOT NULL,
    secret_hash  BLOB NOT NULL,             -- SHA-256(salt || secret)
    scram_256    BLOB,                      -- salt(32) stored key, server key; cluster keys only
    scram_512    BLOB,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX api_key_by_owner ON api_key(owner);
CREATE INDEX api_key_by_cluster ON api_key(cluster_id);

CREATE TABLE acl (
    cluster_id    TEXT NOT NULL REFERENCES cluster(id),
    resource_type INTEGER NOT NULL,         -- Kafka's numbers
    resource_name TEXT NOT NULL,
    pattern_type  INTEGER NOT NULL,
    principal     TEXT NOT NULL,
    host          TEXT NOT NULL,
    operation     INTEGER NOT NULL,
    permission    INTEGER NOT NULL,
    PRIMARY KEY (cluster_id, resource_type, resource_name, pattern_type, principal, host,
                 operation, permission)
) STRICT;

CREATE TABLE client_quota (
    id             TEXT PRIMARY KEY,
    cluster_id     TEXT NOT NULL REFERENCES cluster(id),
    display_name   TEXT NOT NULL,
    description    TEXT NOT NULL,
    ingress_bytes_per_s INTEGER NOT NULL,   -- -1 = not set
    egress_bytes_per_s  INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE client_quota_principal (
    quota_id   TEXT NOT NULL REFERENCES client_quota(id) ON DELETE CASCADE,
    cluster_id TEXT NOT NULL,
    principal  TEXT NOT NULL,               -- sa-…, u-… or <default>
    PRIMARY KEY (cluster_id, principal)     -- a principal has one quota a cluster
) STRICT;

CREATE TABLE removal (            -- folders of deleted clusters, until they are gone
    cluster_id TEXT PRIMARY KEY
) STRICT;

CREATE TABLE helper (             -- processes beside brokers: the demo's generator
    name       TEXT PRIMARY KEY,
    cluster_id TEXT NOT NULL REFERENCES cluster(id),
    kind       TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    door       TEXT NOT NULL,               -- rest, console, kafka, system
    address    TEXT NOT NULL,
    request_id TEXT NOT NULL,
    operation  TEXT NOT NULL,               -- topic.create, api_key.delete …
    resource   TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    detail     TEXT NOT NULL                -- JSON without secrets
) STRICT;
CREATE INDEX audit_by_cluster ON audit(cluster_id, id);
