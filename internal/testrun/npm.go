package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// npmFolder has the list of what tests in the browser use of npm's, and gets it.
const npmFolder = "internal/browsertest"

// npmTime is how long npm may take: what it gets is small.
const npmTime = 10 * time.Minute

// installNPM makes sure that what package-lock.json lists is there: at once when the last run was for the same list.
func (r runner) installNPM(ctx context.Context) error {
	dir := filepath.Join(r.root, filepath.FromSlash(npmFolder))
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// npm ci begins by removing the folder, and this with it: it is there when npm has come to its end.
	done := filepath.Join(dir, "node_modules", ".installed")
	if was, err := os.ReadFile(done); err == nil && bytes.Equal(was, lock) {
		return nil
	}
	fmt.Fprintf(r.out, "the tests need npm's packages: npm ci in %s\n", npmFolder)
	ctx, cancel := context.WithTimeoutCause(ctx, npmTime, fmt.Errorf("it took longer than %s", npmTime))
	defer cancel()
	cmd := r.command(ctx, nil, "npm", "ci")
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("npm ci in %s: %w: see that npm reaches its registry, then run this again", npmFolder, err)
	}
	return os.WriteFile(done, lock, 0o600)
}
