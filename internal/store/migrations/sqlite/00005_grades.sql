-- +goose Up
-- The reporter's grade when the report was worked, and by how many events its incidents were credible then. 0 is F and 6.
ALTER TABLE reports ADD COLUMN reliability INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN supposed INTEGER NOT NULL DEFAULT 0; -- digit of the reporter's own grade
ALTER TABLE reports ADD COLUMN credible_1 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_2 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_3 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_4 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_5 INTEGER NOT NULL DEFAULT 0;

CREATE TABLE source_grades (
	source          TEXT PRIMARY KEY,
	set_reliability INTEGER NOT NULL,
	set_credibility INTEGER NOT NULL,
	pinned          INTEGER NOT NULL,
	set_at          INTEGER NOT NULL, -- 0: nobody set it
	who             TEXT NOT NULL,    -- person who set it; empty is the config
	reason          TEXT NOT NULL,
	reliability     INTEGER NOT NULL, -- now
	was             INTEGER NOT NULL, -- before outcomes moved it last
	moved_at        INTEGER NOT NULL, -- 0: they did not
	confirmed       INTEGER NOT NULL, -- outcomes at the last judgement
	refuted         INTEGER NOT NULL,
	neither         INTEGER NOT NULL
) WITHOUT ROWID;

-- Which feeds a source delivers, and when it last did.
CREATE TABLE source_feeds (
	source    TEXT NOT NULL,
	feed      INTEGER NOT NULL,
	delivered INTEGER NOT NULL,
	PRIMARY KEY (source, feed)
) WITHOUT ROWID;

-- Outcomes that somebody said of an incident.
CREATE TABLE rulings (
	id       INTEGER PRIMARY KEY,
	incident BLOB NOT NULL,
	at       INTEGER NOT NULL,
	outcome  TEXT NOT NULL,
	who      TEXT NOT NULL,
	reason   TEXT NOT NULL,
	sources  BLOB NOT NULL -- reporters of the incident then, as incident.Marks.AppendBinary
);
CREATE INDEX rulings_at ON rulings (at);
CREATE INDEX rulings_incident ON rulings (incident);
-- +goose Down
