-- +goose Up
CREATE TABLE lines ( -- of subscribers: never deleted, as incidents carry the handle; what is personal is
    id         BIGINT NOT NULL PRIMARY KEY,
    handle     TEXT NOT NULL UNIQUE, -- random
    name       BYTEA, -- the source's name for the line, sealed; null: past its end date
    sealed_by  TEXT NOT NULL, -- id of the key
    seen       BIGINT NOT NULL -- day, since 1970-01-01 UTC, on which a source last said something of it
);
CREATE INDEX lines_seen ON lines (seen) WHERE name IS NOT NULL;
CREATE TABLE line_names ( -- by which a line is found again: one pseudonym under each key that overlaps
    pseudonym  BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(pseudonym) = 16),
    line       BIGINT NOT NULL REFERENCES lines,
    made_by    TEXT NOT NULL -- id of the key
);
CREATE INDEX line_names_line ON line_names (line);
-- +goose Down
