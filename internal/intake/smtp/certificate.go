package smtp

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a certificate and its key, read again when their files change: whoever renews them restarts nothing.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex // guards what follows; held while files are read
	pair   *tls.Certificate
	stamps [2]time.Time
}

// load reads the files for the first time, when a fault of theirs is the operator's to hear.
func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *certificate) read() error {
	stamps, err := c.changed()
	if err != nil {
		return err
	}
	info, err := os.Stat(c.keyFile)
	if err != nil {
		return fmt.Errorf("read the key for STARTTLS: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return fmt.Errorf("the key for STARTTLS %s is open to everybody (mode %04o): run `chmod o= %s`, and get another "+
			"if somebody may have read it", c.keyFile, mode, c.keyFile)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read the certificate for STARTTLS: %w", err)
	}
	c.pair, c.stamps = &pair, stamps
	return nil
}

func (c *certificate) changed() (stamps [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamps, fmt.Errorf("read the certificate for STARTTLS: %w", err)
		}
		stamps[i] = info.ModTime()
	}
	return stamps, nil
}

// get is tls.Config.GetCertificate. What cannot be read now, half renewed perhaps, leaves the one that was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps, err := c.changed()
	if err == nil && stamps != c.stamps {
		err = c.read()
	}
	if err != nil {
		c.log.Warn("the new certificate for STARTTLS cannot be read: the old one goes on", "error", err)
	}
	return c.pair, nil
}
