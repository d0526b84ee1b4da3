-- +goose Up
-- When the last report of the feed that held an event about the network came in; 0 is not known.
ALTER TABLE watermarks ADD COLUMN delivered BIGINT NOT NULL DEFAULT 0;
-- For what is there, the latest that it can have been.
UPDATE watermarks SET delivered = coalesce((SELECT max(received_at) FROM reports), newest);
-- +goose Down
