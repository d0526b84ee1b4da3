-- +goose Up
CREATE TABLE parties ( -- organisations whose people sign in
    id      TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL
);
INSERT INTO parties (id, name, kind) VALUES ('own', 'Our own desk', 'own');
CREATE TABLE people ( -- who signs in
    id          BLOB NOT NULL PRIMARY KEY,
    login       TEXT NOT NULL UNIQUE, -- personal
    name        TEXT NOT NULL, -- personal
    party       TEXT NOT NULL REFERENCES parties,
    roles       TEXT NOT NULL, -- with spaces between
    state       TEXT NOT NULL,
    zone        TEXT NOT NULL DEFAULT '',
    created     INTEGER NOT NULL, -- microseconds of Unix time
    seen        INTEGER NOT NULL DEFAULT 0,
    issuer      TEXT NOT NULL DEFAULT '', -- who vouches for them; '': nobody
    subject     TEXT NOT NULL DEFAULT '', -- whom the issuer calls them; personal
    password    TEXT NOT NULL DEFAULT '', -- argon2id; '': none
    password_at INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX people_identity ON people (issuer, subject) WHERE issuer <> '';
CREATE TABLE passkeys (
    id      BLOB NOT NULL PRIMARY KEY, -- that the authenticator gave it
    person  BLOB NOT NULL REFERENCES people ON DELETE CASCADE,
    name    TEXT NOT NULL, -- personal
    created INTEGER NOT NULL,
    used    INTEGER NOT NULL DEFAULT 0,
    suspect INTEGER NOT NULL DEFAULT 0, -- when it counted backwards
    count   INTEGER NOT NULL,
    record  BLOB NOT NULL -- public key and flags, as JSON
);
CREATE INDEX passkeys_person ON passkeys (person);
CREATE TABLE recovery_codes (
    person  BLOB NOT NULL REFERENCES people ON DELETE CASCADE,
    hash    BLOB NOT NULL,
    PRIMARY KEY (person, hash)
);
CREATE TABLE known_browsers ( -- that have signed in
    hash    BLOB NOT NULL PRIMARY KEY,
    person  BLOB NOT NULL REFERENCES people ON DELETE CASCADE,
    at      INTEGER NOT NULL
);
CREATE INDEX known_browsers_person ON known_browsers (person, at);
CREATE TABLE invitations ( -- of invitations
    hash    BLOB NOT NULL PRIMARY KEY,
    first   INTEGER NOT NULL, -- 1: for the first admin
    person  BLOB REFERENCES people ON DELETE CASCADE, -- null: nobody yet
    until   INTEGER NOT NULL
);
CREATE INDEX invitations_person ON invitations (person);
CREATE TABLE people_sessions ( -- who is signed in
    id          BLOB NOT NULL PRIMARY KEY,
    hash        BLOB NOT NULL UNIQUE,
    person      BLOB NOT NULL REFERENCES people ON DELETE CASCADE,
    way         TEXT NOT NULL,
    created     INTEGER NOT NULL,
    seen        INTEGER NOT NULL,
    browser     TEXT NOT NULL, -- personal
    network     TEXT NOT NULL, -- /24 or /48; personal
    recovered   INTEGER NOT NULL, -- 1: by a recovery code, without a new way yet
    stale       INTEGER NOT NULL DEFAULT 0, -- 1: gets a new hash at its next request
    before      BLOB, -- hash that it had
    before_ends INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX people_sessions_person ON people_sessions (person);
CREATE INDEX people_sessions_before ON people_sessions (before);
CREATE TABLE people_tokens ( -- of programs
    id      BLOB NOT NULL PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE,
    name    TEXT NOT NULL, -- personal
    person  BLOB NOT NULL REFERENCES people ON DELETE CASCADE,
    scopes  TEXT NOT NULL, -- with spaces between
    created INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    used    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX people_tokens_person ON people_tokens (person);
CREATE TABLE people_acts ( -- what the log has as commitments, until its end date
    id      BLOB NOT NULL PRIMARY KEY,
    kind    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL, -- personal
    about   TEXT NOT NULL, -- personal
    roles   TEXT NOT NULL,
    note    TEXT NOT NULL,
    salt    BLOB NOT NULL
);
CREATE INDEX people_acts_at ON people_acts (at);
-- +goose Down
