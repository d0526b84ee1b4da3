-- +goose Up
ALTER TABLE reports ADD COLUMN assigned INTEGER NOT NULL DEFAULT 0; -- 1: a person said what it reports, so nothing else may
CREATE TABLE assignments (
	report   BLOB PRIMARY KEY,
	digest   BLOB NOT NULL, -- of what was asked for, so that asking again is known as such
	who      TEXT NOT NULL,
	at       INTEGER NOT NULL,
	incident BLOB           -- the incident that the report was merged into; null where it has its own events
) WITHOUT ROWID;
CREATE INDEX assignments_incident ON assignments (incident) WHERE incident IS NOT NULL;
CREATE TABLE letters (
	report  BLOB PRIMARY KEY,
	reading BLOB NOT NULL -- what can be read of a mail in no format, until its original's end date
) WITHOUT ROWID;
CREATE INDEX reports_sender ON reports (sender) WHERE sender <> '';
-- +goose Down
