package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/evidence"
)

const origin = "example.net/log"

// key makes the nth of some keys, the same each time.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(n byte) ed25519.PublicKey { return key(n).Public().(ed25519.PublicKey) }

func options() evidence.Options { return evidence.Options{Origin: origin, Signer: key(1)} }

func trust() evidence.Trust {
	return evidence.Trust{Origin: origin, Keys: []ed25519.PublicKey{public(1)}}
}

func open(t *testing.T, dir string) *evidence.Log {
	t.Helper()
	l, err := evidence.Open(t.Context(), dir, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func closed(t *testing.T, l *evidence.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func entry(n int) []byte { return fmt.Appendf(nil, "entry %d of many", n) }

// appendN appends entries n to m, in one call.
func appendN(t *testing.T, l *evidence.Log, from, to int) {
	t.Helper()
	var all [][]byte
	for i := from; i < to; i++ {
		all = append(all, entry(i))
	}
	first, err := l.Append(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	if first != uint64(from) || l.Size() < uint64(to) {
		t.Fatalf("appended %d entries at %d, the size is %d, want them at %d", len(all), first, l.Size(), from)
	}
}

// check checks and fails the test where it could not look.
func check(t *testing.T, dir string, opts evidence.CheckOptions) evidence.Report {
	t.Helper()
	report, err := evidence.Check(t.Context(), dir, trust(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// clean says that nothing is wrong.
func clean(t *testing.T, dir string, opts evidence.CheckOptions) evidence.Report {
	t.Helper()
	report := check(t, dir, opts)
	for _, f := range report.Faults {
		t.Errorf("%s", f)
	}
	return report
}

// TestAppend: what was appended is there, in order, provable, and still there after the log was closed.
func TestAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	at := 0
	for _, n := range []int{1, 1, 3, 250, 1, 1, 600, 1} {
		appendN(t, l, at, at+n)
		at += n
	}
	head := l.Head()
	for _, span := range [][2]int{{0, at}, {0, 0}, {255, 257}, {5, 6}, {700, at}} {
		i := span[0]
		for e, err := range l.Entries(t.Context(), uint64(span[0]), uint64(span[1])) {
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(e, entry(i)) {
				t.Fatalf("entry %d is %q", i, e)
			}
			i++
		}
		if i != span[1] {
			t.Errorf("entries %v end at %d", span, i)
		}
	}
	for _, i := range []int{0, 254, 255, 256, at - 1} {
		p, err := l.Prove(t.Context(), uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(entry(i)); err != nil {
			t.Errorf("the proof of entry %d: %v", i, err)
		}
		if p.Check(entry(i+1)) == nil {
			t.Errorf("the proof of entry %d proves another", i)
		}
		if steps, _ := p.Steps(entry(i)); len(steps) == 0 || steps[len(steps)-1].Then != head.Root {
			t.Errorf("the steps of the proof of entry %d do not lead to the root: %v", i, steps)
		}
	}
	if _, err := l.Prove(t.Context(), uint64(at)); err == nil {
		t.Error("there is a proof of what is not there")
	}
	closed(t, l)
	if report := clean(t, dir, evidence.CheckOptions{}); report.Entries != uint64(at) || report.Checkpoint.Root != head.Root {
		t.Errorf("checked %d entries, want %d", report.Entries, at)
	}
	l = open(t, dir)
	if diff := cmp.Diff(head, l.Head()); diff != "" {
		t.Errorf("the head after opening (-want +got):\n%s", diff)
	}
	appendN(t, l, at, at+1)
	closed(t, l)
	clean(t, dir, evidence.CheckOptions{Since: head.Checkpoint, SinceName: "kept"})
	r, err := evidence.OpenReader(dir, trust())
	if err != nil {
		t.Fatal(err)
	}
	if r.Head().Size != uint64(at+1) {
		t.Errorf("a reader sees %d entries", r.Head().Size)
	}
	if _, err := l.Append(t.Context(), [][]byte{entry(0)}); !errors.Is(err, evidence.ErrClosed) {
		t.Errorf("appending to a closed log: %v", err)
	}
}

// TestRefused: what cannot be appended or opened is refused with its reason.
func TestRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if _, err := evidence.OpenReader(dir, trust()); !errors.Is(err, evidence.ErrNone) {
		t.Errorf("reading where there is no log: %v", err)
	}
	if _, err := evidence.Check(t.Context(), dir, trust(), evidence.CheckOptions{}); !errors.Is(err, evidence.ErrNone) {
		t.Errorf("checking where there is no log: %v", err)
	}
	l := open(t, dir)
	for _, bad := range [][][]byte{nil, {{}}, {entry(0), make([]byte, evidence.MaxEntry+1)}} {
		if _, err := l.Append(t.Context(), bad); err == nil {
			t.Errorf("appended %d entries", len(bad))
		}
	}
	appendN(t, l, 0, 3)
	if _, err := evidence.Open(t.Context(), dir, options()); !errors.Is(err, evidence.ErrBusy) {
		t.Errorf("opening a log that is open: %v", err)
	}
	big := make([]byte, evidence.MaxEntry)
	if _, err := l.Append(t.Context(), [][]byte{big}); err != nil {
		t.Errorf("an entry of the largest size: %v", err)
	}
	closed(t, l)
	for name, opts := range map[string]evidence.Options{
		"another origin": {Origin: "other", Signer: key(1)}, "another key": {Origin: origin, Signer: key(2)},
	} {
		if _, err := evidence.Open(t.Context(), dir, opts); !errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("opening with %s: %v", name, err)
		}
	}
	if _, err := evidence.Open(t.Context(), dir, evidence.Options{Origin: "two words", Signer: key(1)}); err == nil {
		t.Error("an origin of two words")
	}
}

// TestRotated: a checkpoint stays good when the key is replaced; the next one is the new key's.
func TestRotated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	appendN(t, l, 0, 300)
	old := l.Head()
	closed(t, l)
	l, err := evidence.Open(t.Context(), dir, evidence.Options{Origin: origin, Signer: key(2), Keys: []ed25519.PublicKey{public(1)}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(l.Head().Checkpoint, old.Checkpoint) {
		t.Error("opening alone changed the checkpoint")
	}
	appendN(t, l, 300, 301)
	closed(t, l)
	both := evidence.Trust{Keys: []ed25519.PublicKey{public(2), public(1)}}
	report, err := evidence.Check(t.Context(), dir, both, evidence.CheckOptions{Since: old.Checkpoint, SinceName: "kept"})
	if err != nil || report.Faulty > 0 {
		t.Fatalf("%v, %v", err, report.Faults)
	}
	if !report.Checkpoint.KeyOf(public(2)) || !report.Since.KeyOf(public(1)) {
		t.Error("the report says another key")
	}
	if report := check(t, dir, evidence.CheckOptions{}); report.Faulty == 0 {
		t.Error("a checkpoint of an unknown key passes")
	}
}

// TestTogether: appends of many goroutines share checkpoints, and none is lost or torn apart.
func TestTogether(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	const writers, rounds = 16, 10
	var wg sync.WaitGroup
	var mu sync.Mutex
	where := map[uint64]string{}
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				text := fmt.Sprintf("writer %d round %d ", w, r)
				first, err := l.Append(t.Context(), [][]byte{[]byte(text + "a"), []byte(text + "b")})
				if err != nil {
					t.Error(err)
					return
				}
				if l.Size() < first+2 {
					t.Errorf("the checkpoint covers %d entries when one at %d is acknowledged", l.Size(), first+1)
				}
				mu.Lock()
				where[first], where[first+1] = text+"a", text+"b"
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	i := uint64(0)
	for e, err := range l.Entries(t.Context(), 0, l.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if string(e) != where[i] {
			t.Errorf("entry %d is %q, want %q", i, e, where[i])
		}
		i++
	}
	if i != 2*writers*rounds {
		t.Errorf("%d entries, want %d", i, 2*writers*rounds)
	}
	closed(t, l)
	clean(t, dir, evidence.CheckOptions{})
}

// TestBeside: a check and a reader beside a writer find nothing wrong.
func TestBeside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	appendN(t, l, 0, 500)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for at := 500; at < 1100; at += 5 {
			appendN(t, l, at, at+5)
		}
	}()
	for n := 0; ; n++ {
		clean(t, dir, evidence.CheckOptions{})
		r, err := evidence.OpenReader(dir, trust())
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range r.Entries(t.Context(), 0, r.Head().Size) {
			if err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-done:
			if n == 0 {
				t.Error("nothing was checked beside the writer")
			}
			return
		default:
		}
	}
}

// TestAlone: one append alone does not wait for others.
func TestAlone(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "log"))
	var slowest time.Duration
	for i := range 20 {
		began := time.Now()
		appendN(t, l, i, i+1)
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("slowest of 20: %s", slowest)
	if slowest > time.Second {
		t.Errorf("an append took %s", slowest)
	}
}

// TestLarge: one call may be larger than a batch.
func TestLarge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	appendN(t, l, 0, 10_000)
	appendN(t, l, 10_000, 10_001)
	closed(t, l)
	clean(t, dir, evidence.CheckOptions{})
}

// files are all files below dir, with slashes.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// grown makes a log of n entries, the last of them one by one so that there are partial files, and closes it.
func grown(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	alone := min(n, 12)
	if n > alone {
		appendN(t, l, 0, n-alone)
	}
	for i := n - alone; i < n; i++ {
		appendN(t, l, i, i+1)
	}
	closed(t, l)
	return dir
}

func named(report evidence.Report) []string {
	var all []string
	for _, f := range report.Faults {
		if !slices.Contains(all, f.File) {
			all = append(all, f.File)
		}
	}
	return all
}

// TestFlipped: a byte that was changed, in whichever file, is found, and its file is named, no other.
func TestFlipped(t *testing.T) {
	sizes := []int{1, 256, 700}
	if os.Getenv("TOCSIN_PROVE") != "" {
		sizes = append(sizes, 257, 70_000)
	}
	for _, n := range sizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir := grown(t, n)
			clean(t, dir, evidence.CheckOptions{})
			all := files(t, dir)
			if n > 10_000 { // each file of a level is like the next
				all = slices.DeleteFunc(all, func(name string) bool {
					return strings.HasPrefix(name, "tile/") && len(name)%3 == 0 && !strings.Contains(name, "27")
				})
			}
			flips := 0
			for _, name := range all {
				path := filepath.Join(dir, name)
				data := read(t, path)
				if len(data) == 0 { // a lock
					write(t, path, []byte{0})
					if got := named(check(t, dir, evidence.CheckOptions{})); !slices.Equal(got, []string{name}) {
						t.Errorf("a byte in %s: %v are named", name, got)
					}
					write(t, path, nil)
					continue
				}
				offsets := []int{0, 1, len(data) / 3, len(data) / 2, len(data) - 2, len(data) - 1}
				if !strings.HasPrefix(name, "tile/") { // small, and of many parts
					offsets = offsets[:0]
					for i := range data {
						offsets = append(offsets, i)
					}
				}
				for _, at := range offsets {
					if at < 0 || at >= len(data) {
						continue
					}
					for _, bit := range []byte{0x01, 0x80} {
						changed := bytes.Clone(data)
						changed[at] ^= bit
						write(t, path, changed)
						flips++
						if got := named(check(t, dir, evidence.CheckOptions{})); !slices.Equal(got, []string{name}) {
							t.Errorf("bit %x of byte %d of %s: %v are named", bit, at, name, got)
						}
					}
				}
				for what, changed := range map[string][]byte{"cut": data[:len(data)-1], "longer": append(bytes.Clone(data), 'x')} {
					write(t, path, changed)
					if got := named(check(t, dir, evidence.CheckOptions{})); !slices.Equal(got, []string{name}) {
						t.Errorf("%s %s: %v are named", what, name, got)
					}
				}
				write(t, path, data)
			}
			t.Logf("%d bits of %d files", flips, len(all))
			clean(t, dir, evidence.CheckOptions{})
		})
	}
}
