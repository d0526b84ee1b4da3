package keys_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/keys"
)

// TestMain lets the test binary be the process that is killed: with TOCSIN_KEYS_CHILD it rotates until it dies.
func TestMain(m *testing.M) {
	dir := os.Getenv("TOCSIN_KEYS_CHILD")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := child(dir, os.Getenv("TOCSIN_KEYS_FULL") != "", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child rotates and says each key that it was told is durable. With full it may not write files of more than 16
// bytes, as on a full disk.
func child(dir string, full bool, out io.Writer) error {
	r, err := keys.Open(dir)
	if err != nil {
		return err
	}
	if full {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 16, Max: 16}); err != nil {
			return err
		}
	}
	for {
		k, err := r.Rotate(keys.Node, start, 0)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, k.ID)
	}
}

func command(t *testing.T, dir string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(append(os.Environ(), "TOCSIN_KEYS_CHILD="+dir), env...)
	return cmd
}

// TestKilled kills a process in the middle of rotating, again and again: every key that it was told is durable is
// there, at most one more is, and nothing is half-written.
func TestKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	want := []string{create(t, open(t, dir), keys.Node).ID}
	leftover := 0
	for round := range 20 {
		cmd := command(t, dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() { // it is at work
			t.Fatalf("round %d: the child did not rotate: %v", round, cmd.Wait())
		}
		want = append(want, lines.Text())
		kill := time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			want = append(want, lines.Text())
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("round %d: the child ended by itself: %v", round, err)
		}
		kill.Stop()
		if _, err := os.Stat(filepath.Join(dir, ".node.pem.new")); err == nil {
			leftover++
		}
		all := ids(open(t, dir).All(keys.Node))
		if extra := len(all) - len(want); extra == 1 {
			want = append(want, all[0]) // renamed, and killed before it could say so
		} else if extra != 0 {
			t.Fatalf("round %d: %d keys, told of %d", round, len(all), len(want))
		}
		for i, id := range want {
			if all[len(all)-1-i] != id {
				t.Fatalf("round %d: key %d is %s, want %s", round, i, all[len(all)-1-i], id)
			}
		}
	}
	t.Logf("%d keys, %d of 20 kills left a temporary file", len(want), leftover)
	if _, err := open(t, dir).Rotate(keys.Node, start, 0); err != nil {
		t.Fatal(err)
	}
	wantModes(t, dir, map[string]os.FileMode{"node.pem": 0o600})
}

// TestLeftover: what a writer that died left behind is neither read nor in the way.
func TestLeftover(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := create(t, open(t, dir), keys.Node)
	good := readFile(t, filepath.Join(dir, "node.pem"))
	for _, cut := range []int{0, 1, len(good) / 2, len(good)} {
		if err := os.WriteFile(filepath.Join(dir, ".node.pem.new"), good[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		r := open(t, dir)
		if got, err := r.Current(keys.Node); err != nil || got.ID != k.ID {
			t.Fatalf("current with %d bytes left over: %v, %v, want %v", cut, got, err, k)
		}
		next, err := r.Rotate(keys.Node, start, 0)
		if err != nil {
			t.Fatal(err)
		}
		k = next
		wantModes(t, dir, map[string]os.FileMode{"node.pem": 0o600})
	}
}

// TestDiskFull: a key that cannot be written is said to be, and the one in use stays.
func TestDiskFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := create(t, open(t, dir), keys.Node)
	out, err := command(t, dir, "TOCSIN_KEYS_FULL=1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "change the node key: write") {
		t.Fatalf("rotating on a full disk: %v, %s", err, out)
	}
	if got, err := open(t, dir).Current(keys.Node); err != nil || got.ID != k.ID {
		t.Errorf("current: %v, %v, want %v", got, err, k)
	}
	wantModes(t, dir, map[string]os.FileMode{"node.pem": 0o600})
}

// TestConcurrent: of many that make the first key at once one does, all sign with it, and whoever opens the folder
// meanwhile sees a whole ring.
func TestConcurrent(t *testing.T) {
	const n = 16
	dir := filepath.Join(t.TempDir(), "keys")
	var wg sync.WaitGroup
	made, ensured := make([]error, n), make([]string, n)
	for i := range n {
		wg.Go(func() {
			_, made[i] = open(t, dir).Create(keys.Node, start)
		})
		wg.Go(func() {
			k, err := open(t, dir).Ensure(keys.Log, start)
			if err != nil {
				t.Error(err)
			}
			ensured[i] = k.ID
		})
	}
	wg.Wait()
	wins := 0
	for i, err := range made {
		if err == nil {
			wins++
		} else if !errors.Is(err, keys.ErrExists) {
			t.Error(err)
		}
		if ensured[i] != ensured[0] {
			t.Errorf("Ensure gave %s to one and %s to another", ensured[0], ensured[i])
		}
	}
	if wins != 1 {
		t.Errorf("%d of %d made the first key", wins, n)
	}
	shared := open(t, dir)
	for range n {
		wg.Go(func() {
			if _, err := shared.Rotate(keys.Node, start, time.Hour); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := open(t, dir).Rotate(keys.Node, start, time.Hour); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := shared.Current(keys.Node); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(open(t, dir).All(keys.Node)); got != 1+2*n {
		t.Errorf("%d keys after %d rotations", got, 2*n)
	}
}
