-- +goose Up
-- The reporter's grade when the report was worked, and by how many events its incidents were credible then. 0 is F and 6.
ALTER TABLE reports ADD COLUMN reliability SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN supposed SMALLINT NOT NULL DEFAULT 0; -- digit of the reporter's own grade
ALTER TABLE reports ADD COLUMN credible_1 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_2 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_3 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_4 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN credible_5 BIGINT NOT NULL DEFAULT 0;

CREATE TABLE source_grades (
	source          TEXT PRIMARY KEY,
	set_reliability SMALLINT NOT NULL,
	set_credibility SMALLINT NOT NULL,
	pinned          SMALLINT NOT NULL,
	set_at          BIGINT NOT NULL, -- 0: nobody set it
	who             TEXT NOT NULL,    -- person who set it; empty is the config
	reason          TEXT NOT NULL,
	reliability     SMALLINT NOT NULL, -- now
	was             SMALLINT NOT NULL, -- before outcomes moved it last
	moved_at        BIGINT NOT NULL, -- 0: they did not
	confirmed       BIGINT NOT NULL, -- outcomes at the last judgement
	refuted         BIGINT NOT NULL,
	neither         BIGINT NOT NULL
);

-- Which feeds a source delivers, and when it last did.
CREATE TABLE source_feeds (
	source    TEXT NOT NULL,
	feed      INTEGER NOT NULL,
	delivered BIGINT NOT NULL,
	PRIMARY KEY (source, feed)
);

-- Outcomes that somebody said of an incident.
CREATE TABLE rulings (
	id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	incident BYTEA NOT NULL,
	at       BIGINT NOT NULL,
	outcome  TEXT NOT NULL,
	who      TEXT NOT NULL,
	reason   TEXT NOT NULL,
	sources  BYTEA NOT NULL -- reporters of the incident then, as incident.Marks.AppendBinary
);
CREATE INDEX rulings_at ON rulings (at);
CREATE INDEX rulings_incident ON rulings (incident);
-- +goose Down
