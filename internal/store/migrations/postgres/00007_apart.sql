-- +goose Up
ALTER TABLE reports ADD COLUMN apart TEXT NOT NULL DEFAULT ''; -- type under which a letter is filed apart; '': with the rest
CREATE INDEX reports_shelf ON reports (state, apart, received_at, id) WHERE state IN ('waiting', 'set-aside');
-- +goose Down
