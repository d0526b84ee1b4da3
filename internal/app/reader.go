package app

import (
	"context"
	"path/filepath"

	"tocsin/internal/store"
)

// OpenReader opens the database of cfg for reading, also beside a node that runs on it. fs.ErrNotExist says that there
// is none yet.
func OpenReader(ctx context.Context, cfg Config) (*store.DB, error) {
	return store.OpenReader(ctx, cfg.Store, filepath.Join(cfg.Data, "db"), cfg.Incident)
}
