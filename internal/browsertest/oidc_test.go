package browsertest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"tocsin/internal/browsertest"
)

// testOIDC signs somebody in by code and PKCE, as our console will, and is refused without.
func testOIDC(t *testing.T, b *browsertest.Browser, _ string) {
	answers := make(chan url.Values, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/back" {
			answers <- r.URL.Query()
		}
	}))
	t.Cleanup(app.Close)
	back := strings.Replace(app.URL, "127.0.0.1", "localhost", 1) + "/back"
	issuer, id, secret := browsertest.OIDC(t, back, []browsertest.Person{
		{Login: "bob", Password: "plum", Email: "bob@isp.example", Name: "Bob"},
		{Login: "ada", Password: "pear", Email: "ada@isp.example", Name: "Ada A.", Groups: []string{"abuse-desk", "staff"}},
	})
	client := oauth2.Config{
		ClientID: id, ClientSecret: secret, RedirectURL: back, Scopes: []string{"openid", "email", "profile", "groups"},
		Endpoint: oauth2.Endpoint{AuthURL: issuer + "/auth", TokenURL: issuer + "/token"},
	}

	p := b.Isolated(t, client.AuthCodeURL("no-pkce"))
	if got := <-answers; got.Get("error") != "invalid_request" || !strings.Contains(got.Get("error_description"), "PKCE") {
		t.Errorf("without PKCE the answer is %v", got)
	}

	verifier := oauth2.GenerateVerifier()
	p.Visit(t, client.AuthCodeURL("the-state", oauth2.S256ChallengeOption(verifier)))
	p.Axe(t)
	for _, password := range []string{"plum", "pear"} {
		p.Fill(t, "[name=login]", "ada")
		p.Fill(t, "[name=password]", password)
		p.Follow(t, "text=Sign in")
		if password == "plum" {
			p.WaitForText(t, "[role=alert]", "is wrong")
		}
	}
	answer := <-answers
	if answer.Get("state") != "the-state" || answer.Get("iss") != issuer { // RFC 9207 §2
		t.Errorf("the answer is %v", answer)
	}
	if _, err := client.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Error("a code was exchanged with another verifier")
	}

	// Somebody who is signed in is not asked again.
	p.Visit(t, client.AuthCodeURL("again", oauth2.S256ChallengeOption(verifier)))
	token, err := client.Exchange(t.Context(), (<-answers).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if idToken, _ := token.Extra("id_token").(string); strings.Count(idToken, ".") != 2 {
		t.Errorf("the ID Token is %q", idToken)
	}
	res, err := client.Client(t.Context(), token).Get(issuer + "/me")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var claims map[string]any
	if err := json.NewDecoder(res.Body).Decode(&claims); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"sub": "ada", "email": "ada@isp.example", "email_verified": true, "name": "Ada A.", "groups": []any{"abuse-desk", "staff"},
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}
