-- +goose Up
ALTER TABLE chunks ADD COLUMN salt BYTEA; -- hides the verdicts behind the root; these three are null where an older Tocsin wrote the chunk
ALTER TABLE chunks ADD COLUMN root BYTEA; -- over the verdicts, as the log has it
ALTER TABLE chunks ADD COLUMN verdicts BYTEA; -- what is needed beside body to derive the root again; also null where there is no event
CREATE TABLE log_outbox ( -- entries on their way into the evidence log
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order in which they came
    id         BYTEA NOT NULL UNIQUE,
    at         BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    body       BYTEA NOT NULL,
    idx        BIGINT -- where it is in the log; null: it waits
);
CREATE INDEX log_outbox_waiting ON log_outbox (seq) WHERE idx IS NULL;
CREATE INDEX log_outbox_done ON log_outbox (at) WHERE idx IS NOT NULL;
CREATE TABLE log_state ( -- one row
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    size       BIGINT NOT NULL, -- entries that the database has seen in the log
    root       BYTEA NOT NULL, -- of the log at that size
    edge       BYTEA NOT NULL, -- hashes from which it goes on: evidence.Edge
    chunk      BIGINT NOT NULL, -- id of the last chunk that has its entry
    holder     TEXT NOT NULL, -- of the writer's lease; empty: nobody
    term       BIGINT NOT NULL, -- of the lease: grows with each that takes it
    until      BIGINT NOT NULL -- when the lease ends
);
INSERT INTO log_state (id, size, root, edge, chunk, holder, term, until) -- the root of an empty tree is SHA-256 of nothing
    VALUES (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', '', 0, '', 0, 0);
-- +goose Down
