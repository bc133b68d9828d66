-- Whether a plan takes a replication factor above 1 (and shows it, though one replica is kept), or refuses it.

ALTER TABLE plan ADD COLUMN strict_replication INTEGER NOT NULL DEFAULT 0;
