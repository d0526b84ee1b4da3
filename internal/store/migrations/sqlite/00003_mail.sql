-- +goose Up
ALTER TABLE reports ADD COLUMN reason TEXT NOT NULL DEFAULT '';       -- why it waits for a person or was set aside
ALTER TABLE reports ADD COLUMN authenticity TEXT NOT NULL DEFAULT '';
ALTER TABLE reports ADD COLUMN signer TEXT NOT NULL DEFAULT '';
ALTER TABLE reports ADD COLUMN sender TEXT NOT NULL DEFAULT '';       -- a mail's author
ALTER TABLE reports ADD COLUMN thread BLOB;                           -- id of the thread's oldest report; null for what is no mail
CREATE INDEX reports_letters ON reports (state, received_at) WHERE state IN ('waiting', 'set-aside');
CREATE INDEX reports_thread ON reports (thread) WHERE thread IS NOT NULL;
CREATE TABLE mail_threads (
	message BLOB PRIMARY KEY, -- first half of the SHA-256 of a message id
	thread  BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX mail_threads_thread ON mail_threads (thread);
CREATE TABLE blocked_senders (
	sender TEXT PRIMARY KEY,
	at     INTEGER NOT NULL,
	who    TEXT NOT NULL -- the person who blocked it
) WITHOUT ROWID;
-- +goose Down
