-- +goose Up
ALTER TABLE chunks ADD COLUMN unattributed BLOB; -- events of which nobody can say whose line it was, packed; null: none
-- +goose Down
