-- +goose Up
-- What this node fetched itself, so that it is not fetched again.
CREATE TABLE fetched (
	source   TEXT NOT NULL,    -- shadowserver, feed/NAME
	item     TEXT NOT NULL,    -- the source's own id of a document; '' is the source as a whole
	at       BIGINT NOT NULL, -- when it was fetched, or found unchanged
	etag     TEXT NOT NULL,
	modified TEXT NOT NULL,    -- Last-Modified
	report   BYTEA,             -- what it became; null for nothing
	PRIMARY KEY (source, item)
);
CREATE INDEX fetched_at ON fetched (at);
-- Links in mails to hosts that the operator listed.
CREATE TABLE links (
	mail     BYTEA NOT NULL,    -- report id of the mail
	url      TEXT NOT NULL,    -- personal
	reporter TEXT NOT NULL,    -- of the mail, and so of what is fetched
	authenticity TEXT NOT NULL,
	signer   TEXT NOT NULL,
	exercise BIGINT NOT NULL,
	found    BIGINT NOT NULL, -- when
	state    TEXT NOT NULL,    -- open, fetched, failed
	tries    BIGINT NOT NULL,
	due      BIGINT NOT NULL, -- when it is tried next
	reason   TEXT NOT NULL,    -- of the last failure
	report   BYTEA,             -- what was fetched became; null until then
	PRIMARY KEY (mail, url)
);
CREATE INDEX links_due ON links (due) WHERE state = 'open';
CREATE INDEX links_report ON links (report) WHERE report IS NOT NULL;
-- A list that has not changed is a report of its own in each period in which it says so again: statement tells such reports
-- apart, and is empty for all others.
ALTER TABLE reports ADD COLUMN statement BYTEA NOT NULL DEFAULT '';
DROP INDEX reports_same;
CREATE UNIQUE INDEX reports_same ON reports (sha256, reporter, named, statement);
-- +goose Down
