package access_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/access"
)

// TestPassword: the right one lets in, nothing else does, and what is said is the same whatever is wrong.
func TestPassword(t *testing.T) {
	h, v, ctx := build(t, nil, access.Outside{}), visit("198.51.100.7"), t.Context()
	ada := h.admin()
	ben := h.person(ada, v, "ben@isp.example", access.Desk)
	for _, c := range []struct {
		login, password string
		want            error
	}{
		{"ben@isp.example", good, nil},
		{" Ben@ISP.example", good, nil},
		{"ben@isp.example", good + " ", access.ErrSignIn},
		{"ben@isp.example", "", access.ErrSignIn},
		{"ben@isp.example", strings.Repeat("x", 1<<20), access.ErrSignIn},
		{"nobody", good, access.ErrSignIn},
		{"", "", access.ErrSignIn},
		{"'; DROP TABLE people; --", good, access.ErrSignIn},
		{strings.Repeat("x", 1<<20), good, access.ErrSignIn},
		{"a\x00b", "\xff\x00", access.ErrSignIn},
	} {
		e, err := h.SignInByPassword(ctx, visit("198.51.100.7"), c.login, c.password)
		wants(t, c.login[:min(len(c.login), 20)], err, c.want)
		if err == nil && (e.Caller.Name != "ben@isp.example" || e.Session.Way != access.ByPassword) {
			t.Error(e.Caller)
		}
	}

	// A change of the cost reaches each hash when its person comes next, and the password stays.
	_, before, err := h.store.Password(ctx, "ben@isp.example")
	wants(t, "hash", err, nil)
	access.SetCost(h.Door, 16, 2)
	for range 2 {
		_, err = h.SignInByPassword(ctx, v, "ben@isp.example", good)
		wants(t, "after the change", err, nil)
	}
	_, now, err := h.store.Password(ctx, "ben@isp.example")
	if err != nil || now == before || !strings.Contains(now, "m=16,t=2,p=1") {
		t.Error(now, err)
	}

	// To change it takes the old one, and ends all other sessions.
	_, s, err := h.Session(ctx, ben.Secret)
	wants(t, "session", err, nil)
	wants(t, "without the old", h.SetPassword(ctx, v, &s, "", other), access.ErrSignIn)
	if err := h.SetPassword(ctx, v, &s, good, "ben@isp.example1"); fields(err) != "password" {
		t.Error(err)
	}
	wants(t, "change", h.SetPassword(ctx, v, &s, good, other), nil)
	if all, err := h.Sessions(ctx, s.Person); err != nil || len(all) != 1 || all[0].ID != s.ID {
		t.Error(all, err)
	}
	_, err = h.SignInByPassword(ctx, v, "ben@isp.example", good)
	wants(t, "the old one", err, access.ErrSignIn)
	_, err = h.SignInByPassword(ctx, v, "ben@isp.example", other)
	wants(t, "the new one", err, nil)
	wants(t, "the last way", h.RemovePassword(ctx, &s), access.ErrLastWay)

	// é in one piece or in two is the same password.
	wants(t, "two forms", h.SetPassword(ctx, v, &s, other, "caf\u00e9 and nothing joins"), nil)
	_, err = h.SignInByPassword(ctx, v, "ben@isp.example", "cafe\u0301 and nothing joins")
	wants(t, "the other form", err, nil)

	if strings.Contains(h.out.String(), "ben") {
		t.Error("somebody is named in the log:", h.out.String())
	}
}

// TestNoPasswords: where the config lets nobody in by password, nobody is, and none can be set.
func TestNoPasswords(t *testing.T) {
	h := build(t, func(c *access.Config) { c.NoPasswords = true }, access.Outside{})
	v, ctx := visit("198.51.100.7"), t.Context()
	_, err := h.SignInByPassword(ctx, v, "ada", good)
	wants(t, "sign in", err, access.ErrNoPasswords)
	link, err := h.First(ctx)
	wants(t, "first", err, nil)
	_, err = h.Claim(ctx, link, "ada", "Ada")
	wants(t, "claim", err, nil)
	_, err = h.LinkPassword(ctx, v, link, good)
	wants(t, "link", err, access.ErrNoPasswords)
}

// TestWeakness: what everybody would try is refused, and what a generator or four words give is not.
func TestWeakness(t *testing.T) {
	for password, want := range map[string]string{
		"short":                            "12 characters",
		"ééééééééééé":                      "12 characters",
		"aaaaaaaaaaaa":                     "first",
		"123456789012":                     "first",
		"qwertyuiop[]":                     "first",
		"1qaz2wsx3edc":                     "first",
		"abcabcabcabc":                     "first",
		"dogcatdogcatdogcat":               "first",
		"password1234":                     "first",
		"Passw0rd!2026":                    "first",
		"P@ssw0rdP@ssw0rd":                 "first",
		"Welcome2026!!":                    "first",
		"administrator1":                   "first",
		"letmeinletmein":                   "first",
		"SummerWinter2026":                 "first",
		"tocsin-abuse-desk":                "first",
		"iloveyou123456":                   "first",
		"ben.smith@isp.example":            "login",
		"BenSmith2026":                     "login",
		strings.Repeat("word salad ", 100): "bytes",

		"correct horse battery staple": "",
		"kjqpzmvbxwea":                 "",
		"a8#K-2!p_Z5%":                 "",
		"xK9mQ2vL7hRt":                 "",
		good:                           "",
		other:                          "",
		"надёжный пароль длинный": "",
	} {
		got := access.Weakness(password, "ben.smith@isp.example", "Ben Smith")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", password, got, want)
		}
	}
}

// FuzzHash: whatever stands in the database, reading it ends, and takes no memory that is not allowed.
func FuzzHash(f *testing.F) {
	for _, s := range []string{
		"", "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAA", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", "$$$$$", "$argon2id$v=19$m=8,t=1,p=257$AAAAAAAAAAAAAAAA$AAAA",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if access.ParseHash(s) == nil && !strings.HasPrefix(s, "$argon2id$v=19$m=") {
			t.Error("it is none of ours")
		}
	})
}

// FuzzWeakness: no password makes the check fail, and it takes no longer than one would wait.
func FuzzWeakness(f *testing.F) {
	f.Add("password", "ben", "Ben")
	f.Add("\xff\xfe", "", "")
	f.Fuzz(func(t *testing.T, password, login, name string) {
		begin := time.Now()
		if access.Weakness(password, login, name) == "" && len([]rune(password)) < 12 {
			t.Error("a short one passes")
		}
		if time.Since(begin) > 5*time.Second {
			t.Error("it took too long")
		}
	})
}

// TestRecovery: each code lets in once, new ones end the old, and it is in the log.
func TestRecovery(t *testing.T) {
	h, v, ctx := build(t, nil, access.Outside{}), visit("198.51.100.7"), t.Context()
	ada := h.admin()
	ben := h.person(ada, v, "ben", access.Desk)
	old, err := h.RecoveryCodes(ctx, &ben.Session)
	if err != nil || len(old) != 10 {
		t.Fatal(old, err)
	}
	codes, err := h.RecoveryCodes(ctx, &ben.Session)
	wants(t, "codes", err, nil)
	h.did()
	for _, c := range []access.Secret{old[0], "", "-", access.Secret(strings.Repeat("a", 1<<20))} {
		_, err := h.SignInByCode(ctx, v, "ben", c)
		wants(t, "no code", err, access.ErrSignIn)
	}
	_, err = h.SignInByCode(ctx, v, "ada", codes[0])
	wants(t, "somebody else's", err, access.ErrSignIn)
	if got := h.did(); got != "" {
		t.Error("failures are in the log:", got)
	}
	e, err := h.SignInByCode(ctx, v, "Ben", access.Secret(strings.ToUpper(strings.ReplaceAll(string(codes[0]), "-", " "))))
	if err != nil || !e.Session.Recovered || e.Session.Way != access.ByCode {
		t.Fatal(e, err)
	}
	if got := h.did(); got != "person signed-in-by-recovery-code by person (ben) about ben []" {
		t.Error(got)
	}
	_, err = h.SignInByCode(ctx, v, "ben", codes[0])
	wants(t, "a code twice", err, access.ErrSignIn)
	if w, err := h.Ways(ctx, ben.Caller.Person); err != nil || w.Codes != 9 {
		t.Error(w, err)
	}
	// A new password needs no old one now; the session is not asked any more, and has a new secret.
	wants(t, "a new way", h.SetPassword(ctx, v, &e.Session, "", other), nil)
	_, s, err := h.Session(ctx, e.Secret)
	if err != nil || s.Recovered || s.Renewed == "" {
		t.Error(s, err)
	}
	h.down = access.ErrNothing
	_, err = h.SignInByCode(ctx, v, "ben", codes[1])
	if err == nil {
		t.Error("somebody came in by a code that no log knows")
	}
	h.down = nil
	_, err = h.SignInByCode(ctx, v, "ben", codes[1])
	wants(t, "when the log is back", err, nil)
}
