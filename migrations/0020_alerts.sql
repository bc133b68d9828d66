-- Alerts: rules that watch clusters, what they found, whom it is told, and what is still to be told.

CREATE TABLE alert_channel (
    id          TEXT PRIMARY KEY,   -- ac-…
    name        TEXT NOT NULL UNIQUE,
    type        TEXT NOT NULL,      -- webhook, slack, email
    enabled     INTEGER NOT NULL,
    url         TEXT NOT NULL,      -- email: smtp://HOST:PORT; slack: its beginning, the rest is secret
    tls         TEXT NOT NULL,      -- email: starttls, implicit, none
    sender      TEXT NOT NULL,      -- email
    recipients  TEXT NOT NULL,      -- email: each with a newline behind it
    username    TEXT NOT NULL,      -- email
    ca_pem      TEXT NOT NULL,      -- trusted instead of the system's; '': the system's
    secret      BLOB,               -- sealed (identity/seal.h): key of signatures, Slack URL, password
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    sent_at     INTEGER NOT NULL,   -- the last delivery that arrived, and the last that did not
    failed_at   INTEGER NOT NULL,
    error       TEXT NOT NULL
) STRICT;

CREATE TABLE alert_rule (
    id             TEXT PRIMARY KEY,   -- ar-…
    name           TEXT NOT NULL UNIQUE,
    kind           TEXT NOT NULL,      -- server/domain/alert_kinds.def
    severity       TEXT NOT NULL,      -- critical, warning, info
    enabled        INTEGER NOT NULL,
    environment_id TEXT REFERENCES environment(id) ON DELETE CASCADE, -- NULL: of all
    cluster_id     TEXT REFERENCES cluster(id) ON DELETE CASCADE,     -- NULL: all
    resource       TEXT NOT NULL,      -- name, or its beginning and a *; '': all
    threshold      REAL NOT NULL,
    for_ms         INTEGER NOT NULL,
    resolve_ms     INTEGER NOT NULL,
    group_ms       INTEGER NOT NULL,
    repeat_ms      INTEGER NOT NULL,   -- 0: never
    description    TEXT NOT NULL,
    told_at        INTEGER NOT NULL,   -- the last message about it was queued
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE alert_rule_channel ( -- none: every channel
    rule_id    TEXT NOT NULL REFERENCES alert_rule(id) ON DELETE CASCADE,
    channel_id TEXT NOT NULL REFERENCES alert_channel(id),
    PRIMARY KEY (rule_id, channel_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
    seq            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE, -- al-…
    rule_id        TEXT NOT NULL,        -- the rule and the cluster may be gone: what is told of them is here
    rule_name      TEXT NOT NULL,
    kind           TEXT NOT NULL,
    severity       TEXT NOT NULL,
    threshold      REAL NOT NULL,
    description    TEXT NOT NULL,
    environment_id TEXT NOT NULL,        -- '': the machine
    cluster_id     TEXT NOT NULL,
    cluster_name   TEXT NOT NULL,
    resource       TEXT NOT NULL,
    state          TEXT NOT NULL,        -- pending, firing, resolved
    value          REAL NOT NULL,
    worst          REAL NOT NULL,
    detail         TEXT NOT NULL,
    pending_at     INTEGER NOT NULL,
    fired_at       INTEGER NOT NULL,
    resolved_at    INTEGER NOT NULL,
    reason         TEXT NOT NULL,        -- why it is resolved
    owed           TEXT NOT NULL,        -- what nobody was told yet: firing, resolved, repeat
    told_at        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX alert_open ON alert(rule_id, cluster_id, resource) WHERE state <> 'resolved';
CREATE INDEX alert_owed ON alert(rule_id) WHERE owed <> '';
CREATE INDEX alert_by_rule ON alert(rule_id, seq);
CREATE INDEX alert_by_cluster ON alert(cluster_id, seq);

CREATE TABLE alert_silence (
    id         TEXT PRIMARY KEY,   -- as-…
    rule_id    TEXT REFERENCES alert_rule(id) ON DELETE CASCADE, -- NULL: every rule
    cluster_id TEXT REFERENCES cluster(id) ON DELETE CASCADE,    -- NULL: every cluster
    resource   TEXT NOT NULL,      -- as of rules
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    comment    TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE alert_delivery ( -- the queue, and what became of it
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE, -- ad-…
    channel_id  TEXT NOT NULL REFERENCES alert_channel(id) ON DELETE CASCADE,
    rule_id     TEXT NOT NULL,        -- '': a test
    cause       TEXT NOT NULL,        -- alert, repeat, test
    state       TEXT NOT NULL,        -- queued, sent, failed
    created_at  INTEGER NOT NULL,
    next_at     INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    done_at     INTEGER NOT NULL,
    http_status INTEGER NOT NULL,     -- of the last attempt; of a mail server likewise; 0: there was none
    error       TEXT NOT NULL
) STRICT;
CREATE INDEX alert_delivery_due ON alert_delivery(next_at) WHERE state = 'queued';
CREATE INDEX alert_delivery_by_channel ON alert_delivery(channel_id, seq);

CREATE TABLE alert_delivery_alert (
    delivery INTEGER NOT NULL REFERENCES alert_delivery(seq) ON DELETE CASCADE,
    alert_id TEXT NOT NULL,
    PRIMARY KEY (delivery, alert_id)
) STRICT, WITHOUT ROWID;

-- What everybody wants to know; to be changed, switched off or deleted like any other.
INSERT INTO alert_rule SELECT 'ar-' || column1, column2, column3, column4, 1, NULL, NULL, '', column5, column6, 60000,
    60000, 14400000, column7, 0, unixepoch() * 1000, unixepoch() * 1000 FROM (VALUES
    ('brokerdown', 'Broker down', 'broker_state', 'critical', 0, 60000, 'A cluster''s broker does not serve.'),
    ('damaged0', 'Damaged partition', 'damaged_partitions', 'critical', 0, 60000,
     'Files of a partition are damaged; leat-broker check tells which.'),
    ('noappend', 'Appends refused', 'appends_refused', 'critical', 0, 60000,
     'Producers are refused: the storage limit is reached or the disk is full.'),
    ('storage0', 'Storage above 85 %', 'storage', 'warning', 85, 300000,
     'A cluster nears its storage limit; producers are refused at 100 %.'),
    ('diskfull', 'Disk above 90 %', 'disk', 'warning', 90, 300000,
     'The disk of the service fills up; appends are held back before it is full.'));
