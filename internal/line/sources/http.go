package sources

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"tocsin/internal/line/resolver"
)

// asked is a source that keeps nothing here: it is asked when somebody wants to know.
type asked struct {
	name     string
	resolver *resolver.Resolver
}

// openHTTP opens what is asked over HTTP.
func (l *Lines) openHTTP() error {
	for i := range l.cfg.HTTP {
		h := &l.cfg.HTTP[i]
		token, err := tokenOf(h.TokenFile)
		if err != nil {
			return fmt.Errorf("lines.http[%d].token_file: %w", i, err)
		}
		roots, err := rootsOf(h.CAFile)
		if err != nil {
			return fmt.Errorf("lines.http[%d].ca_file: %w", i, err)
		}
		r := resolver.New(resolver.Options{
			Name: h.Name, URL: h.URL, Token: token, Roots: roots, Realm: h.Realm, Networks: h.Networks, Keep: cmp.Or(h.Keep, l.cfg.Keep),
			Timeout: cmp.Or(h.Timeout, 2*time.Second), Cache: cmp.Or(h.Cache, time.Minute), Concurrent: cmp.Or(h.Concurrent, 8),
			Failures: cmp.Or(h.Failures, 5), Pause: cmp.Or(h.Pause, 30*time.Second),
		}, l.lines, l.needs.Now, l.needs.Logger)
		l.asked = append(l.asked, asked{h.Name, r})
		l.room.Sources = append(l.room.Sources, r)
	}
	return nil
}

// tokenOf reads a token from a file that others cannot read.
func tokenOf(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no file %s: write the token into it", path)
	}
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others can read %s: run chmod 600 on it", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s holds no token: write it in one line", path)
	}
	return token, nil
}

func rootsOf(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate: write them in PEM", path)
	}
	return roots, nil
}

// status is how a source is that is asked: its rows are the answers to questions.
func (a asked) status(now time.Time) Status {
	h := a.resolver.Health()
	st := Status{
		Name: a.name, Kind: "http", Rows: h.Answered, Refused: h.Failed, Latest: h.Latest, Clock: h.Clock, Health: Well, Fault: h.Fault,
		Cached: h.Cached, Unasked: h.Unasked,
	}
	if !h.Latest.IsZero() {
		st.Lag = now.Sub(h.Latest).Seconds()
	}
	switch {
	case h.Open:
		st.Health = Resting
	case h.Latest.IsZero(): // nobody has asked yet, or never with success
		st.Health = Silent
	case h.Clock > 0:
		st.Health = Clock
	}
	return st
}
