package evidence_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/evidence"
)

// TestDamagedIsNotSigned: what the next batch would build on is looked at before: a log with a changed edge is not
// opened, and stays as it is.
func TestDamagedIsNotSigned(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"edge bundle":  func(t *testing.T, dir string) { flip(t, dir, "tile/entries/001.p/44", 100) },
		"edge tile":    func(t *testing.T, dir string) { flip(t, dir, "tile/0/001.p/44", 100) },
		"upper tile":   func(t *testing.T, dir string) { flip(t, dir, "tile/1/000.p/1", 3) },
		"checkpoint":   func(t *testing.T, dir string) { flip(t, dir, "checkpoint", 30) },
		"lost tile":    func(t *testing.T, dir string) { remove(t, dir, "tile/0/001.p") },
		"lost bundle":  func(t *testing.T, dir string) { remove(t, dir, "tile/entries/001.p") },
		"lost head":    func(t *testing.T, dir string) { remove(t, dir, "checkpoint") },
		"lost entries": func(t *testing.T, dir string) { remove(t, dir, "tile"); remove(t, dir, "checkpoint") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := grown(t, 300)
			damage(t, dir)
			before := contents(t, dir)
			l, err := evidence.Open(t.Context(), dir, options())
			if !errors.Is(err, evidence.ErrDamaged) {
				t.Errorf("opened it: %v", err)
			}
			if err == nil {
				closed(t, l)
			}
			if name != "lost entries" && !slices.Equal(before, contents(t, dir)) {
				t.Error("it was changed")
			}
		})
	}
}

// TestStateIsMended: tessera's own files are written anew from the checkpoint, however they were lost; a log that tessera
// alone would have begun anew goes on.
func TestStateIsMended(t *testing.T) {
	for _, name := range []string{".state", ".state/treeState", ".state/version", "lock"} {
		for _, how := range []func(t *testing.T, dir, name string){remove, func(t *testing.T, dir, name string) {
			if name != ".state" && name != "lock" {
				flip(t, dir, name, 0)
			}
		}} {
			dir := grown(t, 300)
			how(t, dir, name)
			l := open(t, dir)
			appendN(t, l, 300, 301)
			closed(t, l)
			clean(t, dir, evidence.CheckOptions{})
		}
	}
}

// TestLeftovers: what a write that was cut short left is named by a check, and cleared away on opening.
func TestLeftovers(t *testing.T) {
	dir := grown(t, 300)
	left := []string{
		"checkpoint123456", "checkpoint.new", ".state/treeState123456", ".state/treeState.new", "tile/entries/00112345",
		"tile/entries/001.p/60", "tile/entries/001.p/4498765", "tile/0/001.p/60", "tile/0/002.p/9", "tile/entries/002", "tile/1/0001234",
	}
	for _, name := range left {
		write(t, filepath.Join(dir, name), []byte("half of somethi"))
	}
	if got := named(check(t, dir, evidence.CheckOptions{})); len(got) != len(left) {
		t.Errorf("%d files are named, want %d: %v", len(got), len(left), got)
	}
	l := open(t, dir)
	closed(t, l)
	clean(t, dir, evidence.CheckOptions{})
	write(t, filepath.Join(dir, "tile/entries/notes.txt"), []byte("mine"))
	if err := os.Symlink("checkpoint", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	closed(t, l)
	if got := named(check(t, dir, evidence.CheckOptions{})); !slices.Equal(got, []string{"link", "tile/entries/notes.txt"}) {
		t.Errorf("foreign files: %v are named", got)
	}
}

// TestRolledBack: an older state of the whole log, put back in its place, is found by what was seen of it. Where it is
// much older it is found without that, and where it was not put back whole.
func TestRolledBack(t *testing.T) {
	dir := grown(t, 300)
	young := t.TempDir()
	if err := os.CopyFS(young, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	appendN(t, l, 300, 10_000)
	head := l.Head()
	closed(t, l)
	seen := &evidence.Seen{Size: head.Size, Root: head.Root}
	clean(t, dir, evidence.CheckOptions{Seen: seen})

	for _, seen := range []*evidence.Seen{seen, {Size: 10, Root: evidence.Root{1}}} {
		opts := options()
		opts.Seen = seen
		if _, err := evidence.Open(t.Context(), young, opts); !errors.Is(err, evidence.ErrRolledBack) {
			t.Errorf("opened an older log: %v", err)
		}
		if got := named(check(t, young, evidence.CheckOptions{Seen: seen})); !slices.Equal(got, []string{"checkpoint"}) {
			t.Errorf("an older log: %v are named", got)
		}
	}
	report := check(t, young, evidence.CheckOptions{Since: head.Checkpoint, SinceName: "kept"})
	if len(report.Faults) != 1 || !report.Faults[0].Kept || !strings.Contains(report.Faults[0].What, "it had 10000 entries and has 300") {
		t.Errorf("an older log: %v", report.Faults)
	}
	opts := options()
	opts.Seen = seen
	if _, err := evidence.Open(t.Context(), filepath.Join(t.TempDir(), "log"), opts); !errors.Is(err, evidence.ErrRolledBack) {
		t.Errorf("opened a new log in place of the old: %v", err)
	}

	for _, name := range []string{"checkpoint", ".state/treeState"} { // head and state alone
		write(t, filepath.Join(dir, name), read(t, filepath.Join(young, name)))
	}
	before := contents(t, dir)
	if _, err := evidence.Open(t.Context(), dir, options()); !errors.Is(err, evidence.ErrRolledBack) {
		t.Errorf("opened a log of which the head was rolled back: %v", err)
	}
	if !slices.Equal(before, contents(t, dir)) {
		t.Error("it was changed")
	}
	if got := check(t, dir, evidence.CheckOptions{}).Faulty; got < 70 {
		t.Errorf("%d files beyond the head are named", got)
	}
}

// TestRewritten: entry, bundle, tiles and state made new, and fitting: the signature is what does not.
func TestRewritten(t *testing.T) {
	dir := grown(t, 700)
	other := filepath.Join(t.TempDir(), "log")
	l := open(t, other)
	var all [][]byte
	for i := range 700 {
		all = append(all, fmt.Appendf(nil, "another %d", i))
	}
	if _, err := l.Append(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	write(t, filepath.Join(other, "checkpoint"), read(t, filepath.Join(dir, "checkpoint")))
	got := named(check(t, other, evidence.CheckOptions{}))
	if !slices.Contains(got, "checkpoint") || !slices.Contains(got, ".state/treeState") {
		t.Errorf("%v are named", got)
	}
	if _, err := evidence.Open(t.Context(), other, options()); !errors.Is(err, evidence.ErrDamaged) {
		t.Errorf("opened: %v", err)
	}

	// One full bundle and its tile, both made new and fitting each other: the tile above says no.
	for _, name := range []string{"tile/entries/001", "tile/0/001"} {
		write(t, filepath.Join(dir, name), read(t, filepath.Join(other, name)))
	}
	if got := named(check(t, dir, evidence.CheckOptions{})); !slices.Equal(got, []string{"tile/0/001"}) {
		t.Errorf("%v are named", got)
	}
	// And the tile above as well: the root says no.
	for _, name := range []string{"tile/1/000.p/2"} {
		write(t, filepath.Join(dir, name), read(t, filepath.Join(other, name)))
	}
	if got := named(check(t, dir, evidence.CheckOptions{})); len(got) == 0 {
		t.Error("nothing is named")
	}
}

// TestSeveral: several changed files are each named.
func TestSeveral(t *testing.T) {
	dir := grown(t, 1500)
	want := []string{"tile/0/001", "tile/1/000.p/5", "tile/entries/001", "tile/entries/004"}
	for i, name := range want {
		flip(t, dir, name, 40+i%2*60) // each of another entry or tile
	}
	remove(t, dir, "tile/entries/002")
	want = append(want, "tile/entries/002")
	slices.Sort(want)
	got := named(check(t, dir, evidence.CheckOptions{}))
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s is not named, but %v", name, got)
		}
	}
}

// TestOpenSSL verifies a checkpoint with openssl alone, by the commands of docs/log.md.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	page := string(read(t, "../../docs/log.md"))
	_, script, ok := strings.Cut(page, "With openssl alone\n```sh\n")
	script, _, ok2 := strings.Cut(script, "```")
	if !ok || !ok2 {
		t.Fatal("docs/log.md has no commands for openssl")
	}
	dir := grown(t, 5)
	work := t.TempDir()
	der, err := x509.MarshalPKIXPublicKey(public(1))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "log.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	good := read(t, filepath.Join(dir, "checkpoint"))
	for what, c := range map[string]struct {
		checkpoint []byte
		fine       bool
	}{"as it is": {good, true}, "another size": {bytes.Replace(good, []byte("\n5\n"), []byte("\n6\n"), 1), false}} {
		write(t, filepath.Join(work, "checkpoint"), c.checkpoint)
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-ec", script)
		cmd.Dir = work
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.fine || c.fine != strings.Contains(string(out), "Signature Verified Successfully") {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
}

// FuzzCheckpoint: whatever is read as a checkpoint has the bytes that were signed.
func FuzzCheckpoint(f *testing.F) {
	good := []byte("example.net/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— example.net/log AAAA\n")
	f.Add(good)
	dir := filepath.Join(f.TempDir(), "log")
	l, err := evidence.Open(f.Context(), dir, options())
	if err != nil {
		f.Fatal(err)
	}
	signed := l.Head().Checkpoint
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(bytes.Replace(signed, []byte("\n\n"), []byte("\nmore\n\n"), 1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := trust().Parse(raw); err == nil && !bytes.Equal(raw, signed) {
			t.Errorf("%q is read as a checkpoint of %d entries, root %s", raw, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
		}
	})
}

func flip(t *testing.T, dir, name string, at int) {
	t.Helper()
	path := filepath.Join(dir, name)
	data := read(t, path)
	data[at] ^= 1
	write(t, path, data)
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// contents are all files and their bytes, but for locks.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if data := read(t, path); len(data) > 0 {
			all = append(all, path+"\n"+string(data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
