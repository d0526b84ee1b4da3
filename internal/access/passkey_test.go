package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"tocsin/internal/access"
)

// authenticator is a small one of WebAuthn: one key, ES256, no attestation.
type authenticator struct {
	id     []byte
	key    *ecdsa.PrivateKey
	handle string // of the person, base64url
	count  uint32
	flags  byte // user present, user verified
	origin string
	rp     string
}

const verified = 0x05

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	return &authenticator{id: id, key: key, flags: verified, origin: "http://localhost:8420", rp: "localhost"}
}

var b64 = base64.RawURLEncoding

func (a *authenticator) client(kind, challenge string) []byte {
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	return b
}

// data is authenticator data (WebAuthn §6.1).
func (a *authenticator) data(flags byte, rest ...byte) []byte {
	rp := sha256.Sum256([]byte(a.rp))
	b := append(rp[:], flags)
	b = binary.BigEndian.AppendUint32(b, a.count)
	return append(b, rest...)
}

type options struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		UV        string `json:"userVerification"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"user"`
		Selection struct {
			ResidentKey string `json:"residentKey"`
			UV          string `json:"userVerification"`
		} `json:"authenticatorSelection"`
		Exclude []any `json:"excludeCredentials"`
		Allow   []any `json:"allowCredentials"`
	} `json:"publicKey"`
}

func optionsOf(t *testing.T, raw []byte, err error) *options {
	t.Helper()
	var o options
	if err != nil || json.Unmarshal(raw, &o) != nil || o.PublicKey.Challenge == "" {
		t.Fatal("no options", string(raw), err)
	}
	return &o
}

// create answers navigator.credentials.create.
func (a *authenticator) create(t *testing.T, o *options) []byte {
	t.Helper()
	point, err := a.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	cose, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		t.Fatal(err)
	}
	a.handle = o.PublicKey.User.ID
	rest := append(make([]byte, 16), byte(len(a.id)>>8), byte(len(a.id)))
	rest = append(append(rest, a.id...), cose...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": a.data(a.flags|0x40, rest...)})
	if err != nil {
		t.Fatal(err)
	}
	return a.answer(map[string]any{
		"clientDataJSON": b64.EncodeToString(a.client("webauthn.create", o.PublicKey.Challenge)), "attestationObject": b64.EncodeToString(object),
	})
}

// get answers navigator.credentials.get.
func (a *authenticator) get(t *testing.T, o *options) []byte {
	t.Helper()
	data, client := a.data(a.flags), a.client("webauthn.get", o.PublicKey.Challenge)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return a.answer(map[string]any{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data), "signature": b64.EncodeToString(sig), "userHandle": a.handle,
	})
}

func (a *authenticator) answer(response map[string]any) []byte {
	id := b64.EncodeToString(a.id)
	b, _ := json.Marshal(map[string]any{
		"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}},
	})
	return b
}

// TestPasskey: a passkey is added by who is signed in or has a link, and lets its person in without a login.
func TestPasskey(t *testing.T) {
	h, v, ctx := build(t, nil, access.Outside{}), visit("198.51.100.7"), t.Context()
	ada := h.admin()
	_, link, err := h.Invite(ctx, &ada.Caller, access.Profile{Login: "ben", Name: "Ben", Party: access.Own, Roles: []access.Role{access.Desk}})
	wants(t, "invite", err, nil)
	phone := newAuthenticator(t)
	raw, err := h.BeginLinkPasskey(ctx, v, link)
	o := optionsOf(t, raw, err)
	if k := o.PublicKey; k.RP.ID != "localhost" || k.Selection.ResidentKey != "required" || k.Selection.UV != "required" || k.User.Name != "ben" {
		t.Errorf("%+v", k)
	}
	answer := phone.create(t, o)
	_, err = h.LinkPasskey(ctx, visit("198.51.100.7"), link, "phone", answer)
	wants(t, "another browser", err, access.ErrBegun)
	_, err = h.LinkPasskey(ctx, v, "another", "phone", answer)
	wants(t, "another link", err, access.ErrBegun)
	_, err = h.LinkPasskey(ctx, v, link, "phone", answer)
	wants(t, "a challenge twice", err, access.ErrBegun)
	raw, err = h.BeginLinkPasskey(ctx, v, link)
	e, err := h.LinkPasskey(ctx, v, link, "phone", phone.create(t, optionsOf(t, raw, err)))
	if err != nil || e.Caller.Name != "ben" || e.Session.Way != access.ByPasskey {
		t.Fatal(e, err)
	}
	_, err = h.BeginLinkPasskey(ctx, v, link)
	wants(t, "a link twice", err, access.ErrLink)

	in := func(a *authenticator, v *access.Visit) (*access.Entered, error) {
		raw, err := h.BeginSignIn(v)
		o := optionsOf(t, raw, err)
		if o.PublicKey.UV != "required" || len(o.PublicKey.Allow) != 0 || o.PublicKey.RPID != "localhost" {
			t.Errorf("%+v", o.PublicKey)
		}
		return h.SignInByPasskey(ctx, v, a.get(t, o))
	}
	e, err = in(phone, visit("203.0.113.1"))
	if err != nil || e.Caller.Name != "ben" {
		t.Fatal(e, err)
	}

	// A second one; each is known once.
	h.pass(time.Second)
	s := e.Session
	key := newAuthenticator(t)
	key.count = 7
	raw, err = h.BeginPasskey(ctx, v, &s)
	o = optionsOf(t, raw, err)
	if len(o.PublicKey.Exclude) != 1 {
		t.Error("the browser is not told which there are")
	}
	wants(t, "somebody else's session", h.AddPasskey(ctx, v, &ada.Session, "key", key.create(t, o)), access.ErrBegun)
	raw, err = h.BeginPasskey(ctx, v, &s)
	wants(t, "add", h.AddPasskey(ctx, v, &s, strings.Repeat("long", 100), key.create(t, optionsOf(t, raw, err))), nil)
	mine := key.handle
	raw, err = h.BeginPasskey(ctx, v, &ada.Session)
	wants(t, "known", h.AddPasskey(ctx, v, &ada.Session, "", key.create(t, optionsOf(t, raw, err))), access.ErrKnownKey)
	key.handle = mine
	ways, err := h.Ways(ctx, s.Person)
	if err != nil || len(ways.Passkeys) != 2 || ways.Passkeys[0].Name != "phone" || ways.Passkeys[1].Name != "Firefox on Linux" || ways.Passkeys[0].Used.IsZero() {
		t.Error(ways, err)
	}

	// A copy of it counts as the first did: refused, noted, in the log.
	key.count = 8
	_, err = in(key, v)
	wants(t, "it counts on", err, nil)
	h.did()
	for _, count := range []uint32{8, 3, 0} {
		key.count = count
		_, err = in(key, v)
		wants(t, "it counts backwards", err, access.ErrCount)
	}
	if got := h.did(); !strings.HasPrefix(got, "person passkey-counts-backwards by node () about ben []\n") {
		t.Error(got)
	}
	if !strings.Contains(h.out.String(), "counts backwards") || strings.Contains(h.out.String(), "ben") {
		t.Error(h.out.String())
	}
	key.count = 9
	_, err = in(key, v)
	wants(t, "the real one", err, nil)
	if ways, err := h.Ways(ctx, s.Person); err != nil || ways.Passkeys[1].Suspect.IsZero() {
		t.Error("a copy is not noted", err)
	}

	wants(t, "remove", h.RemovePasskey(ctx, &s, key.id), nil)
	_, err = in(key, v)
	wants(t, "one that was removed", err, access.ErrPasskey)
	wants(t, "the last", h.RemovePasskey(ctx, &s, phone.id), access.ErrLastWay)
	wants(t, "somebody else's", h.RemovePasskey(ctx, &ada.Session, phone.id), access.ErrNothing)

	wants(t, "leave", h.Leave(ctx, &ada.Caller, s.Person), nil)
	_, err = in(phone, v)
	wants(t, "who left", err, access.ErrSignIn)
}

// TestPasskeyRefused: whatever is not right in an answer, nobody comes in.
func TestPasskeyRefused(t *testing.T) {
	h, v, ctx := build(t, nil, access.Outside{}), visit("198.51.100.7"), t.Context()
	ada := h.admin()
	add := func(a *authenticator) error {
		raw, err := h.BeginPasskey(ctx, v, &ada.Session)
		return h.AddPasskey(ctx, v, &ada.Session, "", a.create(t, optionsOf(t, raw, err)))
	}
	phone := newAuthenticator(t)
	wants(t, "add", add(phone), nil)
	for what, change := range map[string]func(a *authenticator){
		"another site":     func(a *authenticator) { a.origin = "http://localhost.example:8420" },
		"another port":     func(a *authenticator) { a.origin = "http://localhost:8421" },
		"another party":    func(a *authenticator) { a.rp = "example" },
		"not verified":     func(a *authenticator) { a.flags = 0x01 },
		"nobody there":     func(a *authenticator) { a.flags = 0x04 },
		"backed up before": func(a *authenticator) { a.flags = verified | 0x10 },
	} {
		bad := newAuthenticator(t)
		change(bad)
		if what != "backed up before" { // is one that can be
			wants(t, "add: "+what, add(bad), access.ErrPasskey)
		}
		bad = newAuthenticator(t)
		*bad = *phone
		change(bad)
		raw, err := h.BeginSignIn(v)
		_, err = h.SignInByPasskey(ctx, v, bad.get(t, optionsOf(t, raw, err)))
		wants(t, what, err, access.ErrPasskey)
	}
	thief := newAuthenticator(t)
	thief.id, thief.handle = phone.id, phone.handle // and not the key
	raw, err := h.BeginSignIn(v)
	_, err = h.SignInByPasskey(ctx, v, thief.get(t, optionsOf(t, raw, err)))
	wants(t, "another key", err, access.ErrPasskey)
	thief = newAuthenticator(t)
	*thief = *phone
	thief.handle = b64.EncodeToString(make([]byte, 16))
	raw, err = h.BeginSignIn(v)
	_, err = h.SignInByPasskey(ctx, v, thief.get(t, optionsOf(t, raw, err)))
	wants(t, "another person", err, access.ErrPasskey)

	raw, err = h.BeginSignIn(v)
	answer := phone.get(t, optionsOf(t, raw, err))
	_, err = h.SignInByPasskey(ctx, visit("198.51.100.7"), answer)
	wants(t, "another browser", err, access.ErrBegun)
	e, err := h.SignInByPasskey(ctx, v, answer)
	if err != nil || e.Caller.Name != "ada" {
		t.Error("who began it was kept out by somebody else", err)
	}
	_, err = h.SignInByPasskey(ctx, v, answer)
	wants(t, "an answer twice", err, access.ErrBegun)
	raw, err = h.BeginSignIn(v)
	answer = phone.get(t, optionsOf(t, raw, err))
	h.pass(5 * time.Minute)
	_, err = h.SignInByPasskey(ctx, v, answer)
	wants(t, "too late", err, access.ErrBegun)
	for _, bad := range []string{"", "{}", "[]", "null", strings.Repeat("[", 1<<16), strings.Repeat("x", 1<<20), `{"id":"a","rawId":"a","type":"public-key","response":{}}`} {
		_, err := h.SignInByPasskey(ctx, v, []byte(bad))
		wants(t, "no answer", err, access.ErrPasskey)
		wants(t, "no answer", h.AddPasskey(ctx, v, &ada.Session, "", []byte(bad)), access.ErrPasskey)
	}
	none := visit("198.51.100.7")
	none.Browser = ""
	_, err = h.BeginSignIn(none)
	wants(t, "no cookie", err, access.ErrBegun)
}
