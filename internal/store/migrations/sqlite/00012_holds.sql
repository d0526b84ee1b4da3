-- +goose Up
CREATE TABLE line_holds ( -- what requests name, kept beyond its end date
    id      BLOB NOT NULL PRIMARY KEY,
    until   INTEGER NOT NULL, -- microseconds of Unix time
    body    BLOB NOT NULL, -- the hold, as JSON; personal
    kept    BLOB -- sessions by source, packed; null: nothing was found; personal
);
CREATE TABLE line_holds_lines ( -- whose names are kept as long
    hold    BLOB NOT NULL REFERENCES line_holds,
    line    INTEGER NOT NULL,
    PRIMARY KEY (hold, line)
);
CREATE INDEX line_holds_lines_line ON line_holds_lines (line);
-- +goose Down
