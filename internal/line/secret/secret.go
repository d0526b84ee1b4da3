// Package secret reads the files in which an operator gives the line room what it may say to nobody: the way into a
// database, a token.
package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"tocsin/internal/report"
)

const most = 64 << 10 // bytes of a file

// Read returns what a file holds, without white space around it. It is refused where others may read it, and where it is
// empty. No error says anything of what is in it.
func Read(path string) (string, error) {
	shown := report.Printable(path)
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", shown, reason(err))
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return "", fmt.Errorf("%s: no file that holds a secret", shown)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is open to others (mode %04o): run `chmod 600 %s`, and change the secret if somebody may have read it", shown, info.Mode().Perm(), shown)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", shown, reason(err))
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("%s is empty: write the secret into it", shown)
	}
	return s, nil
}

// reason is what the system said, without the path, which is said already.
func reason(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
