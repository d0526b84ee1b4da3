package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Names returns the numbers of names of reporters and feeds, making those that are new. Numbers never change.
func (db *DB) Names(ctx context.Context, names ...string) ([]int32, error) {
	db.mu.Lock()
	defer db.mu.Unlock() // held while a new name is made: there are few, and each is made once
	ids := make([]int32, len(names))
	for i, n := range names {
		id, ok := db.names[n]
		if !ok {
			if err := db.tx(ctx, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING`), n); err != nil {
					return err
				}
				return tx.QueryRowContext(ctx, db.dialect.sql(`SELECT id FROM names WHERE name = ?`), n).Scan(&id)
			}); err != nil {
				return nil, fmt.Errorf("number a name: %w", plain(err))
			}
			db.names[n] = id
		}
		ids[i] = id
	}
	return ids, nil
}

// allNames returns every name by its number.
func (db *DB) allNames(ctx context.Context) (map[int32]string, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT id, name FROM names`)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", plain(err))
	}
	defer rows.Close()
	all := map[int32]string{}
	for rows.Next() {
		var id int32
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, fmt.Errorf("read names: %w", plain(err))
		}
		all[id] = name
	}
	return all, rows.Err()
}
