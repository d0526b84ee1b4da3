-- +goose Up
ALTER TABLE reports ADD COLUMN reason TEXT NOT NULL DEFAULT '';       -- why it waits for a person or was set aside
ALTER TABLE reports ADD COLUMN authenticity TEXT NOT NULL DEFAULT '';
ALTER TABLE reports ADD COLUMN signer TEXT NOT NULL DEFAULT '';
ALTER TABLE reports ADD COLUMN sender TEXT NOT NULL DEFAULT '';       -- a mail's author
ALTER TABLE reports ADD COLUMN thread BYTEA;                           -- id of the thread's oldest report; null for what is no mail
CREATE INDEX reports_letters ON reports (state, received_at) WHERE state IN ('waiting', 'set-aside');
CREATE INDEX reports_thread ON reports (thread) WHERE thread IS NOT NULL;
CREATE TABLE mail_threads (
	message BYTEA PRIMARY KEY, -- first half of the SHA-256 of a message id
	thread  BYTEA NOT NULL
);
CREATE INDEX mail_threads_thread ON mail_threads (thread);
CREATE TABLE blocked_senders (
	sender TEXT PRIMARY KEY,
	at     BIGINT NOT NULL,
	who    TEXT NOT NULL -- the person who blocked it
);
-- +goose Down
