-- TLS: a second port of each broker, the certificate it serves, and how logins are asked for.

ALTER TABLE broker ADD COLUMN tls_port INTEGER;  -- NULL: none was free; never changes otherwise
CREATE UNIQUE INDEX broker_by_tls_port ON broker(tls_port);

CREATE TABLE cluster_tls (
    cluster_id  TEXT PRIMARY KEY REFERENCES cluster(id),
    source      TEXT NOT NULL,              -- leat: a leaf of our own CA; operator: given by REST
    file        TEXT NOT NULL,              -- below DATA/tls: its key and its chain, which stand nowhere else
    host        TEXT NOT NULL,              -- that the leaf was made for
    issued_at   INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    client_auth INTEGER NOT NULL DEFAULT 0, -- 0 none, 1 requested, 2 required
    client_ca   TEXT NOT NULL DEFAULT ''    -- PEM
) STRICT;

CREATE TABLE cluster_authentication (       -- no row: passwords alone, for ever
    cluster_id    TEXT PRIMARY KEY REFERENCES cluster(id),
    max_reauth_ms INTEGER NOT NULL,         -- 0: never again
    issuer        TEXT NOT NULL,
    audience      TEXT NOT NULL,
    claim         TEXT NOT NULL,            -- '': sub
    skew_ms       INTEGER NOT NULL,
    jwks          TEXT NOT NULL,            -- public keys; '': no OAUTHBEARER
    jwks_url      TEXT NOT NULL,            -- '': given as text
    jwks_insecure INTEGER NOT NULL,         -- http, and addresses of this machine, are allowed
    jwks_at       INTEGER NOT NULL          -- when it was fetched
) STRICT;
