package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Person is somebody whom the OpenID Provider knows. The login is the subject, too.
type Person struct {
	Login    string   `json:"login"`
	Password string   `json:"password"`
	Email    string   `json:"email"`
	Name     string   `json:"name"`
	Groups   []string `json:"groups"`
}

// OIDC starts an OpenID Provider at 127.0.0.1 that ends with the test. It has one client, which must use PKCE. The form
// to sign in has the fields input[name=login] and input[name=password], and a button.
//
// As OpenID Connect Core §5.4 says, the claims of the scopes email (email, email_verified), profile (name) and groups
// (groups) come from the UserInfo endpoint, and the ID Token has only the subject.
//
// Without Node.js or its packages the test is skipped, and under CI=true it fails.
func OIDC(t testing.TB, redirectURI string, people []Person) (issuer, clientID, clientSecret string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, errors.New("Node.js is not installed")) //nolint:staticcheck // a name
	}
	if _, err := npmFile("oidc-provider", "package.json"); err != nil {
		missing(t, err)
	}
	dir, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	known, err := json.Marshal(people)
	if err != nil {
		t.Fatal(err)
	}
	clientID, clientSecret = "tocsin-"+strings.ToLower(rand.Text()[:8]), rand.Text()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), node, filepath.Join(dir, "oidc.mjs"),
		"--id", clientID, "--secret", clientSecret, "--redirect", redirectURI, "--people", string(known))
	var errs output
	cmd.Stderr = &errs
	cmd.WaitDelay = time.Second
	// It ends when this pipe does, however we end.
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the OpenID Provider: %v", err)
	}
	lines := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r := bufio.NewReader(out)
		line, _ := r.ReadString('\n')
		lines <- strings.TrimSpace(line)
		_, _ = io.Copy(io.Discard, r)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = in.Close()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() && errs.String() != "" {
			t.Logf("the OpenID Provider: %s", errs.String())
		}
	})
	select {
	case issuer = <-lines:
	case <-time.After(patience):
	}
	if issuer == "" {
		t.Fatalf("the OpenID Provider does not start\n%s", errs.String())
	}
	discover(t, issuer)
	return issuer, clientID, clientSecret
}

// discover asks the provider for what it can do, as its clients will.
func discover(t testing.TB, issuer string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("ask the OpenID Provider: %v", err)
	}
	defer res.Body.Close()
	var said struct{ Issuer string }
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil || said.Issuer != issuer {
		t.Fatalf("the OpenID Provider at %s says %s: %q, %v", issuer, res.Status, said.Issuer, err)
	}
}

// output is what a process writes, which may be read meanwhile.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
