package access_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"tocsin/internal/access"
)

// vouching is an issuer: it answers for one code what it is told to.
type vouching struct {
	*httptest.Server
	keys      oidctest.Server
	key       *rsa.PrivateKey
	challenge string         // of the visit that it was asked last
	claims    map[string]any // of the ID token
	info      map[string]any // of the userinfo endpoint
	down      bool
	asked     int
}

func newVouching(t *testing.T) *vouching {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &vouching{key: key}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	i.keys = oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: "RS256"}}}
	i.keys.SetIssuer(i.URL)
	return i
}

func (i *vouching) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asked++
	w.Header().Set("Content-Type", "application/json")
	switch {
	case i.down:
		http.Error(w, "down for ada@isp.example", http.StatusBadGateway)
	case r.URL.Path == "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"userinfo_endpoint": i.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	case r.URL.Path == "/userinfo":
		_ = json.NewEncoder(w).Encode(i.info)
	case r.URL.Path == "/token":
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		_, secret, _ := r.BasicAuth()
		if r.FormValue("code") != "good" || b64.EncodeToString(sum[:]) != i.challenge || secret != "s3cret" || r.FormValue("redirect_uri") == "" {
			http.Error(w, `{"error":"invalid_grant","error_description":"not for ada"}`, http.StatusBadRequest)
			return
		}
		claims, _ := json.Marshal(i.claims)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": "a", "token_type": "Bearer", "id_token": oidctest.SignIDToken(i.key, "k", "RS256", string(claims)),
		})
	default:
		i.keys.ServeHTTP(w, r)
	}
}

// visited is what the issuer is asked when a browser comes: it will vouch for whom sub is.
func (i *vouching) visited(t *testing.T, h *house, address, sub string, groups any) (state string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || q.Get("redirect_uri") != "http://localhost:8420/sign-in/openid/staff" || !strings.Contains(q.Get("scope"), "openid") {
		t.Error(address)
	}
	i.challenge = q.Get("code_challenge")
	i.claims = map[string]any{
		"iss": i.URL, "aud": "tocsin", "sub": sub, "nonce": q.Get("nonce"), "exp": h.clock().Add(time.Hour).Unix(), "iat": h.clock().Unix(),
		"preferred_username": "Ben", "name": "Ben B.", "groups": groups,
	}
	return q.Get("state")
}

func federated(t *testing.T) (*house, *vouching) {
	i := newVouching(t)
	h := build(t, func(c *access.Config) {
		c.OpenID = []access.Issuer{{
			Name: "staff", Issuer: i.URL, ClientID: "tocsin", ClientSecretFile: "secret",
			Roles: map[string][]access.Role{"desk": {access.Desk}, "leads": {access.Approver, access.Desk}, "it": {access.Admin}},
		}}
	}, access.Outside{
		Client: func(ctx context.Context) context.Context { return oidc.ClientContext(ctx, i.Client()) },
		Secret: func(path string) (string, error) {
			if path != "secret" {
				return "", errors.New("no such file")
			}
			return "s3cret", nil
		},
	})
	return h, i
}

// TestOpenID: whom an issuer vouches for comes in, with the roles of their groups, each time.
func TestOpenID(t *testing.T) {
	h, i := federated(t)
	v, ctx := visit("198.51.100.7"), t.Context()
	h.admin()
	h.did()
	in := func(sub string, groups any) (*access.Entered, error) {
		t.Helper()
		address, err := h.BeginOpenID(ctx, v, "staff")
		if err != nil {
			t.Fatal(err, h.out.String())
		}
		return h.SignInByOpenID(ctx, v, "staff", access.Back{State: i.visited(t, h, address, sub, groups), Code: "good", From: i.URL})
	}
	e, err := in("17", []string{"desk", "choir"})
	if err != nil || e.Caller.Name != "ben" || !slices.Equal(e.Caller.Roles, []access.Role{access.Desk}) || e.Session.Way != access.ByOpenID {
		t.Fatal(e, err, h.out.String())
	}
	if got := h.did(); got != "person vouched-for by node () about ben []\nrole roles by node () about ben [desk]" {
		t.Error(got)
	}
	again, err := in("17", "leads")
	if err != nil || again.Caller.Person != e.Caller.Person || !slices.Equal(again.Caller.Roles, []access.Role{access.Desk, access.Approver}) {
		t.Fatal(again, err)
	}
	if got := h.did(); got != "role roles by node () about ben [desk approver]" {
		t.Error(got)
	}

	// Another whom the issuer calls the same is another person, and so is one with the login of somebody here.
	twin, err := in("18", "desk")
	if err != nil || twin.Caller.Person == e.Caller.Person || !strings.HasPrefix(twin.Caller.Name, "staff.") {
		t.Fatal(twin, err)
	}

	// Without a group that has roles nobody comes in, whoever was in ends, and only they are told their groups.
	_, err = in("17", []string{"choir\n", "<b>"})
	gone, ok := errors.AsType[*access.GroupsError](err)
	if !ok || strings.Contains(err.Error(), "choir") || !strings.Contains(gone.Told(), `choir\n, <b>`) {
		t.Fatal(err)
	}
	_, _, err = h.Session(ctx, again.Secret)
	wants(t, "a session of who has no role any more", err, access.ErrSession)
	_, err = in("99", nil)
	if _, ok := errors.AsType[*access.GroupsError](err); !ok {
		t.Error(err)
	}
	if p, err := h.People(ctx); err != nil || len(p) != 3 {
		t.Error("somebody without a role was made", p, err)
	}

	// Groups that only the userinfo endpoint says; of this person.
	more := func(sub string) error {
		address, err := h.BeginOpenID(ctx, v, "staff")
		wants(t, "begin", err, nil)
		state := i.visited(t, h, address, "17", nil)
		delete(i.claims, "groups")
		i.info = map[string]any{"sub": sub, "groups": []string{"desk"}}
		_, err = h.SignInByOpenID(ctx, v, "staff", access.Back{State: state, Code: "good"})
		return err
	}
	wants(t, "userinfo", more("17"), nil)
	wants(t, "userinfo of another", more("18"), access.ErrIssuer)

	wants(t, "leave", h.Leave(ctx, &access.Caller{Name: "ada", Via: access.BySession}, e.Caller.Person), nil)
	_, err = in("17", "desk")
	wants(t, "who left", err, access.ErrSignIn)
	if said := h.out.String(); strings.Contains(said, "ben") || strings.Contains(said, "choir") || strings.Contains(said, "s3cret") {
		t.Error("the log says too much:", said)
	}
}

// TestOpenIDRefused: whatever is not right, nobody comes in.
func TestOpenIDRefused(t *testing.T) {
	h, i := federated(t)
	v, ctx := visit("198.51.100.7"), t.Context()
	try := func(change func(*access.Back), v *access.Visit) error {
		t.Helper()
		address, err := h.BeginOpenID(ctx, visitOf(v), "staff")
		if err != nil {
			t.Fatal(err)
		}
		b := access.Back{State: i.visited(t, h, address, "17", "desk"), Code: "good"}
		change(&b)
		_, err = h.SignInByOpenID(ctx, v, "staff", b)
		return err
	}
	for what, c := range map[string]struct {
		change func(*access.Back)
		want   error
	}{
		"another state":  {func(b *access.Back) { b.State = "x" }, access.ErrBegun},
		"no state":       {func(b *access.Back) { b.State = "" }, access.ErrBegun},
		"another issuer": {func(b *access.Back) { b.From = "https://other.example" }, access.ErrBegun},
		"refused":        {func(b *access.Back) { b.Error = "access_denied" }, access.ErrVouch},
		"no code":        {func(b *access.Back) { b.Code = "" }, access.ErrVouch},
		"another code":   {func(b *access.Back) { b.Code = "bad" }, access.ErrIssuer},
		"challenge":      {func(*access.Back) { i.challenge = "x" }, access.ErrIssuer},
		"nonce":          {func(*access.Back) { i.claims["nonce"] = "x" }, access.ErrIssuer},
		"audience":       {func(*access.Back) { i.claims["aud"] = "other" }, access.ErrIssuer},
		"two audiences":  {func(*access.Back) { i.claims["aud"] = []string{"tocsin", "other"} }, access.ErrIssuer},
		"for another":    {func(*access.Back) { i.claims["azp"] = "other" }, access.ErrIssuer},
		"expired":        {func(*access.Back) { i.claims["exp"] = h.clock().Add(-time.Second).Unix() }, access.ErrIssuer},
		"issuer":         {func(*access.Back) { i.claims["iss"] = "https://other.example" }, access.ErrIssuer},
		"no subject":     {func(*access.Back) { i.claims["sub"] = "" }, access.ErrIssuer},
		"odd subject":    {func(*access.Back) { i.claims["sub"] = "a\x00b" }, access.ErrIssuer},
		"too late":       {func(*access.Back) { h.pass(5 * time.Minute) }, access.ErrBegun},
	} {
		wants(t, what, try(c.change, v), c.want)
	}
	key := i.key
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	wants(t, "key", err, nil)
	i.key = other
	wants(t, "another key", try(func(*access.Back) {}, v), access.ErrIssuer)
	i.key = key

	address, err := h.BeginOpenID(ctx, v, "staff")
	wants(t, "begin", err, nil)
	b := access.Back{State: i.visited(t, h, address, "17", "desk"), Code: "good"}
	_, err = h.SignInByOpenID(ctx, visit("198.51.100.7"), "staff", b)
	wants(t, "another browser", err, access.ErrBegun)
	_, err = h.SignInByOpenID(ctx, v, "staff", b)
	wants(t, "the right one", err, nil)
	_, err = h.SignInByOpenID(ctx, v, "staff", b)
	wants(t, "twice", err, access.ErrBegun)
	_, err = h.BeginOpenID(ctx, v, "nobody")
	wants(t, "no issuer", err, access.ErrNoIssuer)
	if said := h.out.String(); strings.Contains(said, "ada") || strings.Contains(said, "Ben") {
		t.Error("the log says what the issuer said:", said)
	}
}

// visitOf is the same browser.
func visitOf(v *access.Visit) *access.Visit { w := *v; return &w }

// TestIssuerDown: a door is made without its issuers, asks them when they are needed, and leaves one alone for a while
// that does not answer.
func TestIssuerDown(t *testing.T) {
	h, i := federated(t)
	v, ctx := visit("198.51.100.7"), t.Context()
	if i.asked != 0 {
		t.Error("asked before anybody came")
	}
	i.down = true
	for range 3 {
		_, err := h.BeginOpenID(ctx, v, "staff")
		wants(t, "down", err, access.ErrIssuer)
	}
	if i.asked != 1 {
		t.Errorf("asked %d times", i.asked)
	}
	i.down = false
	h.pass(10 * time.Second)
	_, err := h.BeginOpenID(ctx, v, "staff")
	wants(t, "up", err, nil)
	if strings.Contains(h.out.String(), "ada") {
		t.Error(h.out.String())
	}
}

// TestLastAdminByIssuer: a slip at an issuer does not take the last admin away.
func TestLastAdminByIssuer(t *testing.T) {
	h, i := federated(t)
	v, ctx := visit("198.51.100.7"), t.Context()
	in := func(groups any) (*access.Entered, error) {
		address, err := h.BeginOpenID(ctx, v, "staff")
		wants(t, "begin", err, nil)
		return h.SignInByOpenID(ctx, v, "staff", access.Back{State: i.visited(t, h, address, "1", groups), Code: "good"})
	}
	e, err := in("it")
	if err != nil || !e.Caller.Has(access.Admin) {
		t.Fatal(e, err)
	}
	if link, err := h.First(ctx); link != "" || err != nil {
		t.Error("there is an admin", err)
	}
	e, err = in("desk")
	if err != nil || !slices.Equal(e.Caller.Roles, []access.Role{access.Desk, access.Admin}) || !strings.Contains(h.out.String(), "last admin") {
		t.Error(e, err)
	}
	if _, err = in("choir"); err == nil {
		t.Error("somebody came in by no group")
	}
	if p, err := h.Person(ctx, e.Caller.Person); err != nil || !slices.Contains(p.Roles, access.Admin) {
		t.Error("nobody is admin", err)
	}
}
