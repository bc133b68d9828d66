-- Roles bound to people and service accounts. Until now whoever had a login or a cloud key could do
-- everything: they go on as OrganizationAdmin, and can be given less.

CREATE TABLE role_binding (
    id             TEXT PRIMARY KEY,        -- rb-…
    principal      TEXT NOT NULL,           -- User:u-…, User:sa-…, Group:group-…
    role           TEXT NOT NULL,
    environment_id TEXT NOT NULL,           -- '': the organisation
    cluster_id     TEXT NOT NULL,           -- '': the environment
    resource_type  TEXT NOT NULL,           -- '': the cluster; topic, group, transactional-id
    resource_name  TEXT NOT NULL,
    prefixed       INTEGER NOT NULL,
    crn_pattern    TEXT NOT NULL,           -- as it was given
    created_at     INTEGER NOT NULL,
    UNIQUE (principal, role, environment_id, cluster_id, resource_type, resource_name, prefixed)
) STRICT;
CREATE INDEX role_binding_by_cluster ON role_binding(cluster_id);

-- What they were bound to takes them along.
CREATE TRIGGER role_binding_environment AFTER DELETE ON environment
BEGIN DELETE FROM role_binding WHERE environment_id = OLD.id; END;
CREATE TRIGGER role_binding_cluster AFTER DELETE ON cluster
BEGIN DELETE FROM role_binding WHERE cluster_id = OLD.id; END;
CREATE TRIGGER role_binding_user AFTER DELETE ON user
BEGIN DELETE FROM role_binding WHERE principal = 'User:' || OLD.id; END;
CREATE TRIGGER role_binding_account AFTER DELETE ON service_account
BEGIN DELETE FROM role_binding WHERE principal = 'User:' || OLD.id; END;

INSERT INTO role_binding
SELECT 'rb-' || lower(hex(randomblob(4))), 'User:' || owner, 'OrganizationAdmin', '', '', '', '', 0,
       'crn://leat/organization=' || coalesce((SELECT value FROM setting WHERE name = 'organisation_id'), ''),
       unixepoch() * 1000
FROM (SELECT id AS owner FROM user UNION SELECT owner FROM api_key WHERE cluster_id IS NULL);
