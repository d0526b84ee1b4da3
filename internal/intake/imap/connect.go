package imap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"tocsin/internal/intake"
)

// errRefused: the server does not take the user, the password or the token.
var errRefused = errors.New("the server refuses the sign-in: check user and password, or the token's grant")

const dialTimeout = 30 * time.Second

// said is an error for the log: what servers write may hold names and addresses, so of their words only the code is
// passed on.
func said(err error) string {
	var answer *imap.Error
	switch {
	case err == nil:
		return "the server closed the connection"
	case errors.Is(err, errRefused):
		return err.Error()
	case errors.As(err, &answer):
		return fmt.Sprintf("the server answers %s %s", answer.Type, answer.Code)
	}
	return err.Error()
}

// connect dials and signs in. news is told of each sign that the folder has changed.
func (b *box) connect(ctx context.Context, news chan<- struct{}) (*imapclient.Client, error) {
	secure, err := b.tls()
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var conn net.Conn
	if b.cfg.TLS == intake.TLSImplicit {
		conn, err = (&tls.Dialer{Config: secure}).DialContext(dialing, "tcp", b.cfg.Address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(dialing, "tcp", b.cfg.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the mail server: %w", err)
	}
	opt := &imapclient.Options{TLSConfig: secure, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(*imapclient.UnilateralDataMailbox) {
			select {
			case news <- struct{}{}:
			default: // there is news already
			}
		},
	}}
	var c *imapclient.Client
	if b.cfg.TLS == intake.TLSStart {
		if c, err = imapclient.NewStartTLS(conn, opt); err != nil {
			return nil, errors.Join(fmt.Errorf("begin TLS with the mail server: %w", err), conn.Close())
		}
	} else {
		c = imapclient.New(conn, opt)
	}
	hangUp := context.AfterFunc(dialing, func() { _ = conn.Close() }) // whoever waits is told by the closed connection
	err = c.WaitGreeting()
	if err == nil {
		err = b.signIn(dialing, c)
	}
	hangUp()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (b *box) tls() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(b.cfg.Address)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if b.cfg.CA == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(b.cfg.CA)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the mail server's authority: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", b.cfg.CA)
	}
	return cfg, nil
}

// signIn proves who we are.
func (b *box) signIn(ctx context.Context, c *imapclient.Client) error {
	var err error
	if b.cfg.OAuth2.On() {
		token, tokenErr := b.token(ctx)
		if tokenErr != nil {
			return tokenErr
		}
		err = c.Authenticate(&xoauth2{user: b.cfg.User, token: token})
	} else {
		password, secretErr := intake.Secret(b.cfg.PasswordFile)
		if secretErr != nil {
			return secretErr
		}
		err = c.Login(b.cfg.User, password).Wait()
	}
	if answer, ok := errors.AsType[*imap.Error](err); ok && answer.Type == imap.StatusResponseTypeNo && answer.Code != imap.ResponseCodeUnavailable {
		return errRefused
	}
	if err != nil {
		return fmt.Errorf("sign in at the mail server: %w", err)
	}
	b.count.refused.Set(0)
	return nil
}
