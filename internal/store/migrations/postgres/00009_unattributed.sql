-- +goose Up
ALTER TABLE chunks ADD COLUMN unattributed BYTEA; -- events of which nobody can say whose line it was, packed; null: none
-- +goose Down
