package browsertest_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/browsertest"
)

const childVariable = "TOCSIN_BROWSERTEST_CHILD"

// TestChild is what TestKilled kills. By itself it is nothing.
func TestChild(t *testing.T) {
	name := os.Getenv(childVariable)
	if name == "" {
		return
	}
	browsertest.Open(t).Page(t, "about:blank")
	browsertest.OIDC(t, "http://localhost/"+name, nil)
	os.Stdout.WriteString("\nready\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
}

// TestKilled: a test that is killed, and cleans up nothing, leaves neither browser nor provider.
func TestKilled(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("which processes there are is asked of Linux")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		browsertest.Open(t) // which skips the test where there is none of another name
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// All that the child starts has this name in its command line: the profile is below it.
	dir := filepath.Join(t.TempDir(), "tocsin-browser-killed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(filepath.Dir(filepath.Dir(dir))) + filepath.Base(dir)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childVariable+"="+name, "TMPDIR="+dir)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
	}
	started := processes(t, dir, name)
	if !strings.Contains(started, "chrom") || !strings.Contains(started, "oidc.mjs") {
		t.Errorf("before it is killed there are only:\n%s", started)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := processes(t, dir, name)
		if left == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("these are still there:\n%s", left)
		}
	}
}

// processes are the command lines that have one of the words in them.
func processes(t *testing.T, words ...string) string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found strings.Builder
	for _, name := range names {
		line, _ := os.ReadFile(name) // it may have ended
		for _, word := range words {
			if bytes.Contains(line, []byte(word)) {
				found.WriteString(name + " " + string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))) + "\n")
				break
			}
		}
	}
	return found.String()
}
