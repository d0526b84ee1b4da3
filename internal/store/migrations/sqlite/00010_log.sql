-- +goose Up
ALTER TABLE chunks ADD COLUMN salt BLOB; -- hides the verdicts behind the root; these three are null where an older Tocsin wrote the chunk
ALTER TABLE chunks ADD COLUMN root BLOB; -- over the verdicts, as the log has it
ALTER TABLE chunks ADD COLUMN verdicts BLOB; -- what is needed beside body to derive the root again; also null where there is no event
CREATE TABLE log_outbox ( -- entries on their way into the evidence log
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- order in which they came
    id         BLOB NOT NULL UNIQUE,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    body       BLOB NOT NULL,
    idx        INTEGER -- where it is in the log; null: it waits
);
CREATE INDEX log_outbox_waiting ON log_outbox (seq) WHERE idx IS NULL;
CREATE INDEX log_outbox_done ON log_outbox (at) WHERE idx IS NOT NULL;
CREATE TABLE log_state ( -- one row
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    size       INTEGER NOT NULL, -- entries that the database has seen in the log
    root       BLOB NOT NULL, -- of the log at that size
    edge       BLOB NOT NULL, -- hashes from which it goes on: evidence.Edge
    chunk      INTEGER NOT NULL, -- id of the last chunk that has its entry
    holder     TEXT NOT NULL, -- of the writer's lease; empty: nobody
    term       INTEGER NOT NULL, -- of the lease: grows with each that takes it
    until      INTEGER NOT NULL -- when the lease ends
);
INSERT INTO log_state (id, size, root, edge, chunk, holder, term, until) -- the root of an empty tree is SHA-256 of nothing
    VALUES (1, 0, X'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', X'', 0, '', 0, 0);
-- +goose Down
