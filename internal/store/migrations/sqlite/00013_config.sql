-- +goose Up
CREATE TABLE config_seen ( -- of each worker, its config at its last start, as a commitment
    worker  TEXT NOT NULL PRIMARY KEY, -- id of its key of the evidence log
    at      INTEGER NOT NULL, -- microseconds of Unix time
    salt    BLOB NOT NULL,
    config  BLOB NOT NULL -- commitment, which the evidence log has too
);
-- +goose Down
