-- Who signs in by the organization's own identity provider.

ALTER TABLE user ADD COLUMN subject TEXT;     -- issuer and sub of the provider; NULL: signs in by password
CREATE UNIQUE INDEX user_by_subject ON user(subject);
ALTER TABLE session ADD COLUMN groups TEXT NOT NULL DEFAULT ''; -- of the groups claim, each behind a newline
