// Package browsertest drives a real browser for tests: Debian's Chromium without a window, each with a profile of its
// own, that reaches this machine only. What no page of ours may do is found by the harness itself: an error on the
// console, something that the Content-Security-Policy refused, a request to another host. It fails the test that
// opened the page, if the test did not expect it.
//
// Beside the browser there is what its tests talk to: an authenticator for passkeys, axe-core, an OpenID Provider.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long one step may take. A step is done in milliseconds: this is for a machine that does much else.
const patience = 30 * time.Second

var errPatience = errors.New("it took longer than " + patience.String())

// Browser is a running Chromium. Its pages may be used side by side, each by one goroutine.
type Browser struct {
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it

	mu   sync.Mutex // guards said
	said []string   // what chromedp did not understand
}

// Open starts a browser that ends with the test. Without Chromium the test is skipped, and under CI=true it fails.
func Open(t testing.TB) *Browser {
	t.Helper()
	bin, err := chromium()
	if err != nil {
		missing(t, err)
	}
	profile := filepath.Join(t.TempDir(), "profile")
	// Not the test's context: it has ended when the clean-up, which still asks the browser, runs.
	ctx, cancelAllocator := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), flags(bin, profile)...)
	b := &Browser{}
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithBrowserOption(chromedp.WithBrowserErrorf(b.say)),
		chromedp.WithLogf(func(string, ...any) {}))
	b.ctx = ctx
	t.Cleanup(func() {
		cancel()
		cancelAllocator()
		if err := removeAll(profile); err != nil {
			t.Errorf("the browser does not let go of its profile: %v", err)
		}
	})
	// What starts the browser has no deadline of its own: the browser would end with it.
	late := time.AfterFunc(patience, cancelAllocator)
	err = chromedp.Do(ctx)
	if !late.Stop() {
		err = errors.Join(errPatience, err)
	}
	if err != nil {
		t.Fatalf("start %s: %v", bin, err)
	}
	return b
}

// flags are chromedp's own, and those that keep the browser on this machine.
func flags(bin, profile string) []chromedp.ExecAllocatorOption {
	return append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(bin),
		chromedp.UserDataDir(profile),
		// The pages are ours, and in many containers there can be no sandbox.
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		// No name leads anywhere, nor does an address, but for our own.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]"),
	)
}

func (b *Browser) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, fmt.Sprintf(format, args...))
}

// removeAll removes a folder that ending processes may still write to.
func removeAll(folder string) error {
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := os.RemoveAll(folder)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		}
	}
}

// missing ends a test for which something is not installed.
func missing(t testing.TB, what error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v: run the tests through `make test`, which installs it", what)
	}
	t.Skipf("%v: run the tests through `make test`, which installs it", what)
}

func chromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin, nil
		}
	}
	return "", errors.New("Chromium is not installed") //nolint:staticcheck // a name
}

// folder is this package's, where npm installs what package.json lists.
func folder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "internal", "browsertest"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no go.mod here or above")
		}
		dir = up
	}
}

// npmFile is the path of a file of an installed npm package.
func npmFile(parts ...string) (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	name := filepath.Join(append([]string{dir, "node_modules"}, parts...)...)
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("npm's %s is not installed", strings.Join(parts[:1], ""))
	}
	return name, nil
}
