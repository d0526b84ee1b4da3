-- +goose Up
-- Search of incidents, see columns.go: place is the incident's number there, -1 where a tocsin wrote it that knew none.
ALTER TABLE incidents ADD COLUMN place BIGINT NOT NULL DEFAULT -1;
ALTER TABLE incidents ADD COLUMN addresses BYTEA NOT NULL DEFAULT ''; -- of a line, where it was seen, packed; personal
CREATE INDEX incidents_unplaced ON incidents (id) WHERE place < 0;
CREATE TABLE incident_addresses ( -- that no longer fit into the incident's row
	id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	incident  BYTEA NOT NULL,
	addresses BYTEA NOT NULL -- personal
);
CREATE INDEX incident_addresses_incident ON incident_addresses (incident);
CREATE TABLE search_lists (
	list    SMALLINT NOT NULL PRIMARY KEY,
	entries BIGINT NOT NULL, -- how many there ever were
	wiped   BIGINT NOT NULL  -- grows when what was said of entries is taken out of blocks
);
INSERT INTO search_lists (list, entries, wiped) VALUES (0, 0, 0), (1, 0, 0); -- incidents, addresses of lines
CREATE TABLE search_columns (
	at   BIGINT NOT NULL PRIMARY KEY, -- list, column and block
	body BYTEA NOT NULL
) WITH (fillfactor = 50); -- so that the next version of a body finds room beside it
ALTER TABLE search_columns ALTER COLUMN body SET STORAGE PLAIN; -- it is small enough for a page, and read whole
CREATE TABLE search_tail ( -- entries that do not fill a block yet
	at   BIGINT NOT NULL PRIMARY KEY, -- list and number of the first entry
	body BYTEA NOT NULL
);

-- Figures.
CREATE TABLE incident_days ( -- incidents, by the day on which they began
	day   INTEGER NOT NULL, -- since 1970-01-01 UTC
	class TEXT NOT NULL,
	type  TEXT NOT NULL,
	n     BIGINT NOT NULL,
	PRIMARY KEY (day, class, type)
);
CREATE TABLE incident_times ( -- how long steps of the loop took
	day    INTEGER NOT NULL, -- when it was over, since 1970-01-01 UTC
	step   TEXT NOT NULL,
	bucket SMALLINT NOT NULL, -- incident.Bucket
	n      BIGINT NOT NULL,
	PRIMARY KEY (day, step, bucket)
);

-- What people do about incidents, beside rulings.
CREATE TABLE incident_acts (
	id       BYTEA NOT NULL PRIMARY KEY, -- given by who asks for it
	incident BYTEA NOT NULL,
	at       BIGINT NOT NULL,
	what     TEXT NOT NULL,
	who      TEXT NOT NULL, -- personal
	text     TEXT NOT NULL  -- personal
);
CREATE INDEX incident_acts_incident ON incident_acts (incident, at);
ALTER TABLE rulings ADD COLUMN act BYTEA; -- id of the act that it is; null where nobody gave one
CREATE UNIQUE INDEX rulings_act ON rulings (act) WHERE act IS NOT NULL;

-- What changed, for those who look on.
CREATE TABLE changes (
	seq   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of commits
	at    BIGINT NOT NULL,
	topic TEXT NOT NULL,
	n     BIGINT NOT NULL, -- things that changed
	ids   BYTEA NOT NULL     -- of up to 100 of them, 16 bytes each
);

CREATE INDEX reports_received ON reports (received_at, id);
CREATE INDEX reports_reporter ON reports (reporter, received_at, id);
CREATE INDEX reports_channel ON reports (channel, received_at, id);
CREATE INDEX reports_format ON reports (format, received_at, id);
CREATE INDEX reports_odd ON reports (state, received_at, id) WHERE state <> 'worked';
-- +goose Down
