package browsertest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/browsertest"
)

// TestMissing: what a test says where there is no browser, and no Node.js.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range []struct{ ci, want string }{{"", "skipped: "}, {"true", ""}} {
		t.Setenv("CI", c.ci)
		const rest = " is not installed: run the tests through `make test`, which installs it"
		got := append(
			recorded(t, func(t testing.TB) { browsertest.Open(t) }),
			recorded(t, func(t testing.TB) { browsertest.OIDC(t, "http://localhost/", nil) })...)
		if diff := cmp.Diff([]string{c.want + "Chromium" + rest, c.want + "Node.js" + rest}, got); diff != "" {
			t.Errorf("with CI=%s (-want +got):\n%s", c.ci, diff)
		}
	}
}

// TestLock: the list of npm packages names no registry, each machine has its own, and nothing without its hash.
func TestLock(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), "://") {
		t.Error("package-lock.json has addresses: npm install --package-lock-only here, then take out what is in \"funding\"")
	}
	if packages, hashes := strings.Count(string(lock), `"node_modules/`), strings.Count(string(lock), `"integrity": "sha512-`); packages < 2 || packages != hashes {
		t.Errorf("package-lock.json has %d packages and %d hashes", packages, hashes)
	}
}
