-- A paused cluster: broker.wanted is 'stopped', and this says since when and why.
ALTER TABLE broker ADD COLUMN paused_at INTEGER;           -- NULL: it is not paused
ALTER TABLE broker ADD COLUMN pause_reason TEXT NOT NULL DEFAULT '';
