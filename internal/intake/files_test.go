package intake_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/intake"
)

func put(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// found lists what Files yields as "path below dir|folder|content", or its errors.
func found(t *testing.T, dir string, skip func(string) bool, paths ...string) []string {
	t.Helper()
	var got []string
	for i := range paths {
		paths[i] = filepath.Join(dir, paths[i])
	}
	for f, err := range intake.Files(t.Context(), paths, skip) {
		if err != nil {
			got = append(got, "error: "+strings.ReplaceAll(err.Error(), dir+"/", ""))
			continue
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		got = append(got, strings.TrimPrefix(f.Path, dir+"/")+"|"+f.Folder+"|"+string(b))
	}
	return got
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/in/b.csv", "b")
	put(t, dir+"/in/a.csv", "a")
	put(t, dir+"/in/.hidden", "no")
	put(t, dir+"/in/.git/x", "no")
	put(t, dir+"/in/north/deep/c.csv", "c")
	put(t, dir+"/in/north/\xff.csv", "latin")
	put(t, dir+"/in/done/old.csv", "old")
	put(t, dir+"/outside/secret", "secret")
	link(t, "a.csv", dir+"/in/z-link")
	link(t, "../outside/secret", dir+"/in/z-out")
	link(t, dir+"/outside", dir+"/in/z-outdir")
	link(t, "north", dir+"/in/z-dir")
	link(t, "nowhere", dir+"/in/z-gone")
	link(t, "in", dir+"/linked")
	if err := syscall.Mkfifo(dir+"/in/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	out := func(name, root string) string {
		return "error: " + root + "/" + name + ": a link that leads nowhere or out of " + root + " is not followed: put the file itself there"
	}
	tree := []string{
		"in/a.csv||a", "in/b.csv||b", "in/done/old.csv|done|old", "in/north/deep/c.csv|north|c", "in/north/\xff.csv|north|latin",
		"in/z-link||a", out("z-gone", "in"), out("z-out", "in"), out("z-outdir", "in"),
	}
	got := found(t, dir, nil, "in")
	// z-dir is a folder: it is not followed, and what is in it is found at its own place. Names sort bytewise.
	want := append(append([]string{}, tree[:5]...), out("z-gone", "in"), tree[5], out("z-out", "in"), out("z-outdir", "in"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("a folder:\n%s", d)
	}
	got = found(t, dir, func(rel string) bool { return rel == "done" || rel == "north/deep" }, "in/b.csv", "linked", "nothing", "in/pipe", "in/.hidden")
	want = []string{
		"in/b.csv||b", "linked/a.csv||a", "linked/b.csv||b", "linked/north/\xff.csv|north|latin",
		out("z-gone", "linked"), "linked/z-link||a", out("z-out", "linked"), out("z-outdir", "linked"),
		"error: " + dir + "/nothing: no such file or directory", "error: in/pipe: neither a file nor a folder", "in/.hidden||no",
	}
	want[8] = "error: nothing: no such file or directory"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("several paths:\n%s", d)
	}
}

func TestFilesRefusesWhatTookAFilesPlace(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a", "a")
	put(t, dir+"/b", "b")
	for f, err := range intake.Files(t.Context(), []string{dir + "/a"}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/b", dir+"/a"); err != nil {
			t.Fatal(err)
		}
		if in, err := f.Open(); err == nil {
			in.Close()
			t.Error("another file was opened")
		}
		os.Remove(dir + "/a")
		if err := syscall.Mkfifo(dir+"/a", 0o600); err != nil {
			t.Fatal(err)
		}
		if in, err := f.Open(); err == nil { // and does not wait for a writer
			in.Close()
			t.Error("a pipe was opened")
		}
	}
}

func TestFilesEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a", "a")
	put(t, dir+"/b", "b")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, last := 0, error(nil)
	for _, err := range intake.Files(ctx, []string{dir}, nil) {
		n, last = n+1, err
		cancel()
	}
	if n != 2 || last == nil {
		t.Errorf("%d steps, the last with %v", n, last)
	}
}
