-- +goose Up
CREATE TABLE names (
	id   INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
);
CREATE TABLE reports (
	id          BYTEA PRIMARY KEY,
	channel     TEXT NOT NULL,
	reporter    TEXT NOT NULL,
	received_at BIGINT NOT NULL, -- Unix microseconds, as all times here
	name        TEXT NOT NULL,
	named       TEXT NOT NULL,   -- format that the source named, empty when detected
	format      TEXT NOT NULL,   -- format found
	sha256      BYTEA NOT NULL,
	size        BIGINT NOT NULL,
	tlp         SMALLINT NOT NULL, -- 0 is RED
	state       TEXT NOT NULL,
	exercise    SMALLINT NOT NULL,
	generation  INTEGER NOT NULL,
	documents   BIGINT NOT NULL,
	events      BIGINT NOT NULL,
	repeats     BIGINT NOT NULL,
	refused     BIGINT NOT NULL,
	dropped     SMALLINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX reports_same ON reports (sha256, reporter, named);
CREATE INDEX reports_refused ON reports (received_at) WHERE refused > 0 AND dropped = 0;
CREATE TABLE chunks (
	id         BIGINT GENERATED ALWAYS AS IDENTITY,
	report     BYTEA NOT NULL,
	generation INTEGER NOT NULL,
	seq        BIGINT NOT NULL,
	day        INTEGER NOT NULL, -- days since 1970-01-01, when its report came in
	document   INTEGER NOT NULL,
	name       TEXT NOT NULL,
	from_row   BIGINT NOT NULL,
	to_row     BIGINT NOT NULL,
	events     BIGINT NOT NULL,
	repeats    BIGINT NOT NULL,
	refused    BIGINT NOT NULL,
	body       BYTEA, -- compressed already
	refusals   BYTEA,
	PRIMARY KEY (report, generation, seq, day) -- the day follows from the report
) PARTITION BY RANGE (day);
CREATE INDEX chunks_id ON chunks (id);
CREATE TABLE chunks_other PARTITION OF chunks DEFAULT;
CREATE TABLE incidents (
	key       BYTEA NOT NULL,
	id        BYTEA NOT NULL,
	party     TEXT NOT NULL,
	subject   TEXT NOT NULL,
	class     TEXT NOT NULL,
	type      TEXT NOT NULL,
	tag       TEXT NOT NULL,
	state     SMALLINT NOT NULL,
	last_seen BIGINT NOT NULL,
	updated   BIGINT NOT NULL,
	episode   BYTEA NOT NULL, -- incident.Episode.AppendBinary
	PRIMARY KEY (key, id, party)
) PARTITION BY HASH (party);
CREATE TABLE incidents_0 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE incidents_1 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE incidents_2 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE incidents_3 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE incidents_4 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE incidents_5 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE incidents_6 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE incidents_7 PARTITION OF incidents FOR VALUES WITH (MODULUS 8, REMAINDER 7);
CREATE INDEX incidents_id ON incidents (id);
CREATE TABLE incident_links (
	id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	incident BYTEA NOT NULL,
	links    BYTEA NOT NULL
);
CREATE INDEX incident_links_incident ON incident_links (incident);
CREATE TABLE incident_redirects (
	id   BYTEA PRIMARY KEY,
	into_id BYTEA NOT NULL
);
CREATE TABLE watermarks (
	feed    INTEGER NOT NULL,
	network TEXT NOT NULL,
	newest  BIGINT NOT NULL,
	PRIMARY KEY (feed, network)
);
CREATE TABLE deletions (
	id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      BIGINT NOT NULL,
	class   TEXT NOT NULL,
	until   BIGINT NOT NULL,
	deleted BIGINT NOT NULL
);
-- +goose Down
