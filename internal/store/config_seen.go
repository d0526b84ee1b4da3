package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

// NoteConfig hands an entry to the evidence log when a worker's config is not the one that was noted last. The log has a
// commitment to it, which whoever has the file and the salt can open.
func (db *DB) NoteConfig(ctx context.Context, worker string, config []byte, now time.Time) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		var salt, was []byte
		err := tx.QueryRowContext(ctx, db.dialect.sql(`SELECT salt, config FROM config_seen WHERE worker = ?`), worker).Scan(&salt, &was)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && len(salt) == len(evidence.Salt{}) && len(was) == len(evidence.Commitment{}) && evidence.Commitment(was).Opens(evidence.Salt(salt), config) {
			return nil
		}
		fresh := evidence.NewSalt()
		c := evidence.Commit(fresh, config)
		if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO config_seen (worker, at, salt, config) VALUES (?, ?, ?, ?)
			ON CONFLICT (worker) DO UPDATE SET at = excluded.at, salt = excluded.salt, config = excluded.config`),
			worker, now.UnixMicro(), fresh[:], c[:]); err != nil {
			return err
		}
		item, err := evidence.NewItem(&evidence.Entry{
			ID: report.NewID(now), At: now, Kind: "config", By: "node", Subject: worker, Fields: []evidence.Field{{Name: "config", Value: c.String()}},
		})
		if err != nil {
			return err
		}
		return db.enqueue(ctx, tx, item)
	})
	if err != nil {
		return fmt.Errorf("note the config for the evidence log: %w", plain(err))
	}
	return nil
}
