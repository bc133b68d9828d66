-- The format its data folder may be written in (broker-core/base/format.h): clusters from before there was
-- more than one keep the first until somebody confirms their upgrade.
ALTER TABLE cluster ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
