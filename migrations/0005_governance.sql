-- What an environment's stream_governance_config.package says: ESSENTIALS or ADVANCED.

ALTER TABLE environment ADD COLUMN governance_package TEXT NOT NULL DEFAULT 'ESSENTIALS';
