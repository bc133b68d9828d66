-- Group mappings: who is in certain groups of the identity provider is the principal User:<id>.
CREATE TABLE group_mapping (
    id           TEXT PRIMARY KEY,      -- group-…
    display_name TEXT NOT NULL UNIQUE,
    description  TEXT NOT NULL,
    filter       TEXT NOT NULL,         -- "engineering" in groups
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TRIGGER role_binding_group_mapping AFTER DELETE ON group_mapping
BEGIN DELETE FROM role_binding WHERE principal IN ('User:' || OLD.id, 'Group:' || OLD.id); END;
