package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/keys"
)

var start = time.Date(2026, 3, 1, 2, 10, 0, 0, time.UTC)

func open(t *testing.T, dir string) *keys.Ring {
	t.Helper()
	r, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func create(t *testing.T, r *keys.Ring, p keys.Purpose) keys.Key {
	t.Helper()
	k, err := r.Create(p, start)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ids(all []keys.Key) []string {
	var s []string
	for _, k := range all {
		s = append(s, k.ID)
	}
	return s
}

// TestCreate: a key is there for whoever opens the folder next, signs, and is one file of its purpose only.
func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "keys")
	r := open(t, dir)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open made the folder: %v", err)
	}
	for _, p := range keys.Purposes() {
		if _, err := r.Current(p); !errors.Is(err, keys.ErrNone) {
			t.Errorf("Current(%s) of an empty ring: %v, want ErrNone", p, err)
		}
		create(t, r, p)
	}
	again := open(t, dir)
	for _, p := range keys.Purposes() {
		made, _ := r.Current(p)
		found, err := again.Current(p)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := made.Sign([]byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		if found.ID != made.ID || !found.Created.Equal(start) || !found.Ends.IsZero() || !found.Verify([]byte("hello"), sig) {
			t.Errorf("%s after opening again: %v created %v, made was %v", p, found, found.Created, made)
		}
	}
	node, _ := again.Current(keys.Node)
	log, _ := again.Current(keys.Log)
	sig, _ := node.Sign([]byte("x"))
	if node.ID == log.ID || log.Verify([]byte("x"), sig) {
		t.Error("two purposes share a key")
	}
	if _, err := again.Create(keys.Node, start); !errors.Is(err, keys.ErrExists) {
		t.Errorf("a second Create: %v, want ErrExists", err)
	}
	if _, err := r.Create("tls", start); err == nil {
		t.Error("a purpose that is not in the table got a key")
	}
	wantModes(t, dir, map[string]os.FileMode{"node.pem": 0o600, "log.pem": 0o600, "line.pem": 0o600})
}

func wantModes(t *testing.T, dir string, want map[string]os.FileMode) {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %o, want 700", info.Mode().Perm())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]os.FileMode{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = info.Mode()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestRotate: the old key signs until its end, verifies for ever, and its private half is gone from the disk after.
func TestRotate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	r := open(t, dir)
	if _, err := r.Rotate(keys.Log, start, time.Hour); !errors.Is(err, keys.ErrNone) {
		t.Errorf("Rotate of nothing: %v, want ErrNone", err)
	}
	first := create(t, r, keys.Log)
	sig, _ := first.Sign([]byte("head 1"))
	if _, err := r.Rotate(keys.Log, start, -time.Second); err == nil {
		t.Error("a negative overlap was taken")
	}
	turn := start.Add(24 * time.Hour)
	second, err := r.Rotate(keys.Log, turn, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r = open(t, dir)
	all := r.All(keys.Log)
	if diff := cmp.Diff([]string{second.ID, first.ID}, ids(all)); diff != "" {
		t.Fatalf("ids after rotation (-want +got):\n%s", diff)
	}
	old := all[1]
	for at, want := range map[time.Time]bool{
		start.Add(-time.Second): false, start: true, turn: true,
		turn.Add(time.Hour - time.Second): true, turn.Add(time.Hour): false,
	} {
		if got := old.ValidAt(at); got != want {
			t.Errorf("the old key at %v: valid %v, want %v", at, got, want)
		}
	}
	if _, err := old.Sign([]byte("overlap")); err != nil {
		t.Errorf("the old key during the overlap: %v", err)
	}
	before := readFile(t, filepath.Join(dir, "log.pem"))
	if err := r.Expire(turn.Add(time.Hour - time.Second)); err != nil {
		t.Fatal(err)
	}
	if after := readFile(t, filepath.Join(dir, "log.pem")); !bytes.Equal(before, after) {
		t.Error("Expire changed the file before the end")
	}
	if err := r.Expire(turn.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, ring := range []*keys.Ring{r, open(t, dir)} {
		old = ring.All(keys.Log)[1]
		if _, err := old.Sign([]byte("late")); err == nil {
			t.Error("the old key signs after its end")
		}
		if _, err := old.Signer(); err == nil {
			t.Error("the old key gives a signer after its end")
		}
		if !old.Verify([]byte("head 1"), sig) {
			t.Error("the old key no longer verifies what it signed")
		}
	}
	if n := bytes.Count(readFile(t, filepath.Join(dir, "log.pem")), []byte("BEGIN PRIVATE KEY")); n != 1 {
		t.Errorf("%d private keys on the disk after the end, want 1", n)
	}
	if got, _ := r.Current(keys.Log); got.ID != second.ID {
		t.Errorf("current is %v, want %v", got, second)
	}
}

// TestDerive: a secret is the same for the same key and label, another for any other, and none once the key has ended.
func TestDerive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	r := open(t, dir)
	create(t, r, keys.Line)
	create(t, r, keys.Log)
	line, _ := r.Current(keys.Line)
	again, _ := open(t, dir).Current(keys.Line)
	log, _ := r.Current(keys.Log)
	seen := map[[32]byte]string{}
	for name, get := range map[string]func() ([32]byte, error){
		"a":       func() ([32]byte, error) { return line.Derive("a") },
		"b":       func() ([32]byte, error) { return line.Derive("b") },
		"another": func() ([32]byte, error) { return log.Derive("a") },
	} {
		s, err := get()
		if err != nil || seen[s] != "" || s == [32]byte{} {
			t.Errorf("%s is that of %q, %v", name, seen[s], err)
		}
		seen[s] = name
	}
	if s, err := again.Derive("a"); err != nil || seen[s] != "a" {
		t.Errorf("opened again it is another: %v", err)
	}
	if _, err := r.Rotate(keys.Line, start.Add(time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir).All(keys.Line)[1].Derive("a"); err == nil {
		t.Error("a key that has ended gives a secret")
	}
}

// TestRotateAtOnce: a key that somebody else may know ends with the rotation.
func TestRotateAtOnce(t *testing.T) {
	r := open(t, filepath.Join(t.TempDir(), "keys"))
	create(t, r, keys.Node)
	if _, err := r.Rotate(keys.Node, start.Add(time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	old := r.All(keys.Node)[1]
	if _, err := old.Sign(nil); err == nil || old.ValidAt(start.Add(time.Hour)) {
		t.Errorf("the old key is still good: %v, ends %v", err, old.Ends)
	}
}

// TestRotateSeesOthers: two rings over one folder never lose each other's keys.
func TestRotateSeesOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	a, b := open(t, dir), open(t, dir)
	first := create(t, a, keys.Node)
	if k, err := b.Ensure(keys.Node, start); err != nil || k.ID != first.ID {
		t.Errorf("Ensure in the other ring: %v, %v, want %v", k, err, first)
	}
	second, err := a.Rotate(keys.Node, start, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	third, err := b.Rotate(keys.Node, start, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{third.ID, second.ID, first.ID}, ids(open(t, dir).All(keys.Node))); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

// TestID: an operator finds the id with openssl and sha256sum, as the comment on Key.ID says; crypto.Signer works.
func TestID(t *testing.T) {
	k := create(t, open(t, filepath.Join(t.TempDir(), "keys")), keys.Node)
	der, err := x509.MarshalPKIXPublicKey(k.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	if want := hex.EncodeToString(sum[:16]); k.ID != want {
		t.Errorf("id %s, want %s", k.ID, want)
	}
	s, err := k.Signer()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(nil, []byte("m"), crypto.Hash(0))
	if err != nil || !ed25519.Verify(s.Public().(ed25519.PublicKey), []byte("m"), sig) {
		t.Errorf("Signer: %v", err)
	}
	if _, err := s.Sign(nil, make([]byte, 32), crypto.SHA256); err == nil {
		t.Error("a SHA-256 hash was signed as if it were a message")
	}
	if (keys.Key{}).Verify(nil, make([]byte, 64)) {
		t.Error("the zero key verifies something")
	}
}

// TestPermissions: what others can read is refused, in a sentence that holds the command to run.
func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	create(t, open(t, dir), keys.Node)
	file := filepath.Join(dir, "node.pem")
	for _, c := range []struct {
		path, undo string
		mode       os.FileMode
	}{
		{file, "600", 0o640},
		{file, "600", 0o604},
		{file, "600", 0o666},
		{dir, "700", 0o750},
		{dir, "700", 0o701},
	} {
		before, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err = keys.Open(dir)
		if want := "chmod " + c.undo + " " + c.path; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s with mode %o: %v, want a sentence with %q", c.path, c.mode, err, want)
		}
		if err := os.Chmod(c.path, before.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)

	ring := open(t, dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Create(keys.Log, start); err == nil {
		t.Error("a key was written into a folder that others can read")
	}
}

// TestDamaged: a file that is not whole is refused by name, and never replaced.
func TestDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	r := open(t, dir)
	create(t, r, keys.Node)
	create(t, r, keys.Log)
	if _, err := r.Rotate(keys.Node, start, time.Hour); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "node.pem")
	good := readFile(t, file)
	blocks := bytes.SplitAfter(good, []byte("-----END PRIVATE KEY-----\n"))
	damaged := map[string][]byte{
		"empty":           {},
		"only its dates":  good[:40],
		"cut in a block":  good[:len(blocks[0])-40],
		"second cut":      good[:len(good)-40],
		"first block bad": bytes.Replace(good, []byte("\n-----END"), []byte("!\n-----END"), 1),
		"other's key":     readFile(t, filepath.Join(dir, "log.pem")),
		"ids exchanged":   exchangeIDs(t, good, r),
		"no dates":        bytes.ReplaceAll(good, []byte("created:"), []byte("made:")),
		"bad date":        bytes.Replace(good, []byte("ends: 2026"), []byte("ends: 26"), 1),
		"a certificate":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
		"RSA label":       bytes.ReplaceAll(good, []byte("PRIVATE KEY"), []byte("RSA PRIVATE KEY")),
		"binary":          bytes.Repeat([]byte{0, 0xff}, 2000),
		"huge":            bytes.Repeat([]byte{'a'}, 2<<20),
	}
	for name, data := range damaged {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := keys.Open(dir)
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: Open says %v, want a refusal that names %s", name, err, file)
			continue
		}
		if _, err := r.Ensure(keys.Node, start); err != nil {
			t.Errorf("%s: the ring that has the key open lost it: %v", name, err)
		}
		if _, err := r.Rotate(keys.Node, start, 0); err == nil {
			t.Errorf("%s: rotated over it", name)
		}
		if !bytes.Equal(readFile(t, file), data) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "log.pem"), file); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(dir); err == nil {
		t.Error("a link was followed")
	}
}

func exchangeIDs(t *testing.T, good []byte, r *keys.Ring) []byte {
	t.Helper()
	all := r.All(keys.Node)
	return []byte(strings.NewReplacer(all[0].ID, all[1].ID, all[1].ID, all[0].ID).Replace(string(good)))
}

// TestNothingSecretIsShown: no verb, logger or encoder shows the private half, nor does an error.
func TestNothingSecretIsShown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	r := open(t, dir)
	k := create(t, r, keys.Node)
	file := filepath.Join(dir, "node.pem")
	block, _ := pem.Decode(readFile(t, file))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	seed := parsed.(ed25519.PrivateKey).Seed()
	s, _ := k.Signer()

	var shown strings.Builder
	type inside struct {
		Exported keys.Key
		hidden   keys.Key
		pointer  *keys.Key
		ring     *keys.Ring
		signer   crypto.Signer
	}
	for _, v := range []any{k, &k, []keys.Key{k}, inside{k, k, &k, r, s}, &inside{k, k, &k, r, s}, r, s} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		js, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(js)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("key", "key", v)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("key", "key", v)
	}
	data := readFile(t, file)
	for i := range data {
		broken := bytes.Clone(data)
		broken[i] ^= 1
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(dir); err != nil {
			shown.WriteString(err.Error())
		}
	}
	if !strings.Contains(shown.String(), k.ID) {
		t.Error("the id is not shown either: the test looks at nothing")
	}
	body := base64.StdEncoding.EncodeToString(block.Bytes)
	for name, secret := range map[string]string{
		"decimal": strings.Trim(fmt.Sprintf("%d", seed[:8]), "[]"),
		"hex":     hex.EncodeToString(seed[:8]),
		"Hex":     strings.ToUpper(hex.EncodeToString(seed[:8])),
		"go":      strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", seed[:8]), "[]byte{"), "}"),
		"PEM":     body[len(body)-20:],
		"base64":  base64.StdEncoding.EncodeToString(seed)[:12],
		"raw":     string(seed[:8]),
	} {
		if strings.Contains(shown.String(), secret) {
			t.Errorf("the private key is shown in its %s form", name)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
