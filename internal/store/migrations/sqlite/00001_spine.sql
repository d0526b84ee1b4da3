-- +goose Up
CREATE TABLE names (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
);
CREATE TABLE reports (
	id          BLOB PRIMARY KEY,
	channel     TEXT NOT NULL,
	reporter    TEXT NOT NULL,
	received_at INTEGER NOT NULL, -- Unix microseconds, as all times here
	name        TEXT NOT NULL,
	named       TEXT NOT NULL,    -- format that the source named, empty when detected
	format      TEXT NOT NULL,    -- format found
	sha256      BLOB NOT NULL,
	size        INTEGER NOT NULL,
	tlp         INTEGER NOT NULL, -- 0 is RED
	state       TEXT NOT NULL,
	exercise    INTEGER NOT NULL,
	generation  INTEGER NOT NULL,
	documents   INTEGER NOT NULL,
	events      INTEGER NOT NULL,
	repeats     INTEGER NOT NULL,
	refused     INTEGER NOT NULL,
	dropped     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE UNIQUE INDEX reports_same ON reports (sha256, reporter, named);
CREATE INDEX reports_refused ON reports (received_at) WHERE refused > 0 AND dropped = 0;
CREATE TABLE chunks (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	report     BLOB NOT NULL,
	generation INTEGER NOT NULL,
	seq        INTEGER NOT NULL,
	day        INTEGER NOT NULL, -- days since 1970-01-01, when its report came in
	document   INTEGER NOT NULL,
	name       TEXT NOT NULL,
	from_row   INTEGER NOT NULL,
	to_row     INTEGER NOT NULL,
	events     INTEGER NOT NULL,
	repeats    INTEGER NOT NULL,
	refused    INTEGER NOT NULL,
	body       BLOB,
	refusals   BLOB,
	UNIQUE (report, generation, seq)
);
CREATE INDEX chunks_day ON chunks (day);
CREATE TABLE incidents (
	key       BLOB NOT NULL,
	id        BLOB NOT NULL,
	party     TEXT NOT NULL,
	subject   TEXT NOT NULL,
	class     TEXT NOT NULL,
	type      TEXT NOT NULL,
	tag       TEXT NOT NULL,
	state     INTEGER NOT NULL,
	last_seen INTEGER NOT NULL,
	updated   INTEGER NOT NULL,
	episode   BLOB NOT NULL, -- incident.Episode.AppendBinary
	PRIMARY KEY (key, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX incidents_id ON incidents (id);
CREATE TABLE incident_links (
	id       INTEGER PRIMARY KEY,
	incident BLOB NOT NULL,
	links    BLOB NOT NULL
);
CREATE INDEX incident_links_incident ON incident_links (incident);
CREATE TABLE incident_redirects (
	id   BLOB PRIMARY KEY,
	into_id BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE watermarks (
	feed    INTEGER NOT NULL,
	network TEXT NOT NULL,
	newest  INTEGER NOT NULL,
	PRIMARY KEY (feed, network)
) WITHOUT ROWID;
CREATE TABLE deletions (
	id      INTEGER PRIMARY KEY,
	at      INTEGER NOT NULL,
	class   TEXT NOT NULL,
	until   INTEGER NOT NULL,
	deleted INTEGER NOT NULL
);
-- +goose Down
