-- +goose Up
CREATE TABLE line_holds ( -- what requests name, kept beyond its end date
    id      BYTEA NOT NULL PRIMARY KEY,
    until   BIGINT NOT NULL, -- microseconds of Unix time
    body    BYTEA NOT NULL, -- the hold, as JSON; personal
    kept    BYTEA -- sessions by source, packed; null: nothing was found; personal
);
CREATE TABLE line_holds_lines ( -- whose names are kept as long
    hold    BYTEA NOT NULL REFERENCES line_holds,
    line    BIGINT NOT NULL,
    PRIMARY KEY (hold, line)
);
CREATE INDEX line_holds_lines_line ON line_holds_lines (line);
-- +goose Down
