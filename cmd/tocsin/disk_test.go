package main_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tocsin/internal/app"
	"tocsin/internal/world"
)

// disk is a small file system of the test's own. It needs the right to mount, which CI has.
type disk struct{ dir string }

func newDisk(t *testing.T, size string) disk {
	t.Helper()
	d := disk{reachable(t)}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("only root can mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, 0); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d disk) remount(t *testing.T, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatal(err)
	}
}

// manyReports writes reports of twenty types.
func manyReports(t *testing.T, rows int) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range world.Bench(2, world.BenchSize{Rows: rows}).Files {
		file(t, filepath.Join(dir, f.Name), func(w io.Writer) error {
			_, err := f.WriteTo(w)
			return err
		})
	}
	return dir
}

// TestFullDisk fills the disk before and in the middle of an import: it says so in one sentence, and with more space
// the same command ends where an undisturbed run does. On a disk that has become read-only the incidents can be read,
// and nothing else is tried.
func TestFullDisk(t *testing.T) {
	p := buildProgram(t)
	reports := manyReports(t, 60_000)
	calm := filepath.Join(t.TempDir(), "data")
	p.run(t, "import", "--data", calm, reports).ends(t, 0)
	want, _ := p.incidents(t, calm)

	d := newDisk(t, "60m")
	data := filepath.Join(d.dir, "data")
	full := func() {
		t.Helper()
		r := p.run(t, "import", "--data", data, reports)
		r.ends(t, 3)
		if s := r.sentence(t); !strings.Contains(s, "disk") || !strings.Contains(s, "full") {
			t.Errorf("on a full disk it says %q", s)
		}
	}
	full() // from the start
	d.remount(t, 0, "size=80m")
	full() // in the middle
	if rows := p.run(t, "incidents", "--json", "--data", data); rows.code != 0 {
		t.Errorf("after the disk was full the incidents cannot be read: %s", rows.errs)
	}
	d.remount(t, 0, "size=900m")
	p.run(t, "import", "--data", data, reports).ends(t, 0)
	if got, _ := p.incidents(t, data); got != want {
		t.Error("after the disk was full the incidents differ from an undisturbed run's")
	}

	d.remount(t, syscall.MS_RDONLY, "size=900m")
	r := p.run(t, "import", "--data", data, reports)
	r.ends(t, 3)
	if s := r.sentence(t); !strings.Contains(s, "read-only") {
		t.Errorf("on a read-only disk it says %q", s)
	}
	if got, _ := p.incidents(t, data); got != want {
		t.Error("on a read-only disk the incidents read otherwise")
	}
}

// TestSecondWriter has the data directory in use: the second writer names the drop folder and the first goes on.
func TestSecondWriter(t *testing.T) {
	p := buildProgram(t)
	data := filepath.Join(t.TempDir(), "data")
	first, err := app.OpenData(data)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "2026-03-01-scan_telnet-examplenet-asn64500.csv")
	if err := os.WriteFile(file, []byte(rows(3)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := p.run(t, "import", "--data", data, file)
	r.ends(t, 3)
	if s := r.sentence(t); !strings.Contains(s, filepath.Join(data, "drop")) {
		t.Errorf("the second writer says %q", s)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	p.run(t, "import", "--data", data, file).ends(t, 0)
}

// TestDamagedDatabase overwrites the database: the program says so and does not panic, and the file stays as it is.
func TestDamagedDatabase(t *testing.T) {
	p := buildProgram(t)
	data := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "2026-03-01-scan_telnet-examplenet-asn64500.csv")
	if err := os.WriteFile(file, []byte(rows(3)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, "import", "--data", data, file).ends(t, 0)
	db := filepath.Join(data, "db", "tocsin.db")
	if err := os.WriteFile(db, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"import", "--data", data, file}, {"incidents", "--data", data}} {
		r := p.run(t, args...)
		r.ends(t, 3)
		if s := r.sentence(t); !strings.Contains(s, "the database is damaged: check the disk, and put back a backup") || strings.Contains(s, "malformed") || strings.Contains(s, "(26)") {
			t.Errorf("with a damaged database tocsin %s says %q", args[0], s)
		}
	}
}
