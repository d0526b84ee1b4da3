package imap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"tocsin/internal/intake"
)

// token gets an access token: with the refresh token, or for the client itself. One is asked for at each connection,
// which lasts longer than a token does; the files are read anew, so new ones need no restart.
func (b *box) token(ctx context.Context) (string, error) {
	o := b.cfg.OAuth2
	secret, err := optional(o.ClientSecretFile)
	if err != nil {
		return "", err
	}
	if o.RefreshTokenFile == "" {
		cc := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: secret, TokenURL: o.TokenURL, Scopes: o.Scopes}
		t, err := cc.Token(ctx)
		if err != nil {
			return "", fmt.Errorf("get a token: %w", tokenError(err))
		}
		return t.AccessToken, nil
	}
	refresh, err := intake.Secret(o.RefreshTokenFile)
	if err != nil {
		return "", err
	}
	cfg := oauth2.Config{ClientID: o.ClientID, ClientSecret: secret, Endpoint: oauth2.Endpoint{TokenURL: o.TokenURL}, Scopes: o.Scopes}
	t, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return "", fmt.Errorf("get a token: %w", tokenError(err))
	}
	if t.RefreshToken != "" && t.RefreshToken != refresh { // RFC 6749 §6: the old one may be void from now on
		if err := replace(o.RefreshTokenFile, t.RefreshToken); err != nil {
			return "", fmt.Errorf("keep the new refresh token: %w", err)
		}
	}
	return t.AccessToken, nil
}

// tokenError is what the provider says, without its text.
func tokenError(err error) error {
	if answer, ok := err.(*oauth2.RetrieveError); ok { //nolint:errorlint // the library returns it bare
		return fmt.Errorf("%w (the provider answers %s %s)", errRefused, answer.Response.Status, answer.ErrorCode)
	}
	return err
}

func optional(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return intake.Secret(path)
}

// replace writes a secret, whole or not at all.
func replace(path, secret string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(secret + "\n")
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what matters is that it was not kept
	}
	return err
}

// xoauth2 is the sign-in of Google and Microsoft that came before OAUTHBEARER (RFC 7628), with a token of RFC 6750.
type xoauth2 struct{ user, token string }

// Start implements sasl.Client.
func (x *xoauth2) Start() (mech string, ir []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the server's account of why it refuses, after which it says so.
func (x *xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }
