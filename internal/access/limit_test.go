package access_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tocsin/internal/access"
)

// TestLockOut: failures slow down where they come from, and come to an end.
func TestLockOut(t *testing.T) {
	h, v, ctx := build(t, nil, access.Outside{}), visit("198.51.100.7"), t.Context()
	ada := h.admin()
	home := visit("192.0.2.77")
	ben := h.person(ada, home, "ben", access.Desk)
	fail := func(v *access.Visit, login string) error {
		_, err := h.SignInByPassword(ctx, v, login, "wrong wrong wrong")
		return err
	}
	var wait *access.WaitError
	var n int
	for n = 0; n < 100; n++ {
		if err := fail(visit("198.51.100.9"), "ben"); errors.As(err, &wait) {
			break
		}
	}
	if n != 10 || wait.After <= 0 || wait.After > 2*time.Minute {
		t.Fatalf("%d attempts failed from one network, then %v", n, wait)
	}
	if err := fail(v, "ben"); !errors.As(err, &wait) {
		t.Error("another address of the network goes on:", err)
	}
	if err := fail(v, "BEN "); !errors.As(err, &wait) {
		t.Error("another way to write the login goes on:", err)
	}
	wants(t, "another login from there", fail(v, "ada"), access.ErrSignIn)
	if _, err := h.SignInByPassword(ctx, v, "ben", good); !errors.As(err, &wait) {
		t.Error("the right password from there:", err)
	}
	known := *v
	known.Known = ben.Known
	_, err := h.SignInByPassword(ctx, &known, "ben", good)
	wants(t, "a browser that is known, from there", err, nil)
	other := *v
	other.Known = ada.Known
	if _, err := h.SignInByPassword(ctx, &other, "ben", good); !errors.As(err, &wait) {
		t.Error("a browser that is known to somebody else:", err)
	}
	_, err = h.SignInByPassword(ctx, visit("203.0.113.5"), "ben", good)
	wants(t, "a new browser, from elsewhere", err, nil)
	h.pass(2 * time.Minute)
	_, err = h.SignInByPassword(ctx, v, "ben", good)
	wants(t, "after a while", err, nil)

	// A known browser has limits too.
	for n = 0; n < 100; n++ {
		if err := fail(&known, "ben"); errors.As(err, &wait) {
			break
		}
	}
	if n != 20 {
		t.Errorf("%d attempts failed by a known browser", n)
	}
	// One network, many logins.
	spray := visit("2001:db8:9::1")
	for n = 0; n < 1000; n++ {
		if err := fail(spray, fmt.Sprintf("login%d", n)); errors.As(err, &wait) {
			break
		}
	}
	if n != 120 {
		t.Errorf("%d attempts failed from one network with many logins", n)
	}
	wants(t, "the network beside", fail(visit("2001:db8:a::1"), "ada"), access.ErrSignIn)
}

// TestOthersNeverLockOut: for any failures of others, wherever they come from, the first right attempt from a browser
// that is known succeeds; and so does one from a network in which nobody else tried.
func TestOthersNeverLockOut(t *testing.T) {
	h, ctx := build(t, nil, access.Outside{}), t.Context()
	ada := h.admin()
	known := visit("192.0.2.77")
	h.person(ada, known, "ben", access.Desk)
	e, err := h.SignInByPassword(ctx, known, "ben", good)
	if err != nil {
		t.Fatal(err)
	}
	known = after(known, e)
	rapid.Check(t, func(r *rapid.T) {
		anywhere := rapid.Bool().Draw(r, "known") // then others may sit in the same network
		for range rapid.IntRange(0, 60).Draw(r, "attempts") {
			from := netip.AddrFrom4([4]byte{198, 51, byte(rapid.IntRange(100, 103).Draw(r, "network")), 1})
			if anywhere && rapid.Bool().Draw(r, "near") {
				from = known.From
			}
			v := visit(from.String())
			v.Known = rapid.SampledFrom([]access.Secret{"", "guess", ada.Known}).Draw(r, "cookie")
			login := rapid.SampledFrom([]string{"ben", "ada", "nobody"}).Draw(r, "login")
			if rapid.Bool().Draw(r, "by code") {
				_, _ = h.SignInByCode(ctx, v, login, "aaaa-bbbb-cccc-dddd")
			} else {
				_, _ = h.SignInByPassword(ctx, v, login, "wrong wrong wrong")
			}
			h.pass(time.Duration(rapid.IntRange(0, 3).Draw(r, "seconds")) * time.Second)
		}
		v := known
		if !anywhere {
			v = visit("203.0.113.5")
		}
		if _, err := h.SignInByPassword(ctx, v, "ben", good); err != nil {
			r.Fatalf("the real person waits: %v", err)
		}
	})
}

// TestBounded: whatever is tried, memory has an end.
func TestBounded(t *testing.T) {
	h := build(t, nil, access.Outside{})
	for i := range 300 {
		if _, err := h.BeginSignIn(visit("192.0.2.1")); err != nil {
			t.Fatal(i, err)
		}
	}
	if n := access.Begun(h.Door); n != 256 {
		t.Errorf("%d are begun from one network", n)
	}
	h.pass(5 * time.Minute)
	if _, err := h.BeginSignIn(visit("198.51.100.1")); err != nil {
		t.Fatal(err)
	}
	if n := access.Begun(h.Door); n != 1 {
		t.Errorf("%d are begun after five minutes", n)
	}
}

// TestBrake: while strangers take all the time that there is for passwords, who is known comes in; and strangers are told
// after a while, or at once when too many wait.
func TestBrake(t *testing.T) {
	h, ctx := build(t, nil, access.Outside{}), t.Context()
	ada := h.admin()
	home := visit("192.0.2.77")
	home.Known = h.person(ada, home, "ben", access.Desk).Known
	empty := access.FillBrake(h.Door)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 8)
	for range 8 {
		go func() {
			_, err := h.SignInByPassword(ctx, visit("198.51.100.1"), "nobody", good)
			done <- err
		}()
	}
	_, err := h.SignInByPassword(t.Context(), home, "ben", good)
	wants(t, "a known browser", err, nil)
	cancel()
	for range 8 {
		wants(t, "who gives up", <-done, context.Canceled)
	}
	empty()
	_, err = h.SignInByPassword(t.Context(), visit("198.51.100.1"), "ben", good)
	wants(t, "a stranger when it is quiet", err, nil)
}

// TestBrakeTime: nobody waits for ever.
func TestBrakeTime(t *testing.T) {
	h := build(t, nil, access.Outside{})
	d := h.Door
	synctest.Test(t, func(t *testing.T) {
		took, err := access.Brake(t.Context(), d, visit("198.51.100.1").From)
		if took != 10*time.Second || !errors.Is(err, access.ErrBusy) {
			t.Errorf("waited %s: %v", took, err)
		}
	})
}
