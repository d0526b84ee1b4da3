-- +goose Up
CREATE TABLE config_seen ( -- of each worker, its config at its last start, as a commitment
    worker  TEXT NOT NULL PRIMARY KEY, -- id of its key of the evidence log
    at      BIGINT NOT NULL, -- microseconds of Unix time
    salt    BYTEA NOT NULL,
    config  BYTEA NOT NULL -- commitment, which the evidence log has too
);
-- +goose Down
