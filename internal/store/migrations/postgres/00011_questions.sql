-- +goose Up
CREATE TABLE line_questions ( -- of people about lines, until their end date; what the log has of them is salted
    id       BYTEA NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    day      INTEGER NOT NULL, -- since 1970-01-01 UTC
    at       BIGINT NOT NULL, -- microseconds of Unix time
    who      TEXT NOT NULL,    -- personal
    reason   TEXT NOT NULL,    -- personal
    document TEXT NOT NULL,    -- personal
    about    TEXT NOT NULL,    -- personal
    salt     BYTEA NOT NULL,
    state    TEXT NOT NULL,
    decider  TEXT NOT NULL DEFAULT '', -- personal
    decided  BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX line_questions_day ON line_questions (day, state);
CREATE INDEX line_questions_open ON line_questions (at) WHERE state IN ('waiting', 'approved');
-- +goose Down
