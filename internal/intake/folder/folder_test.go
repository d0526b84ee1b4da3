package folder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/intake"
	"tocsin/internal/intake/folder"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/report"
)

// world is a drop folder with a stream in memory behind it.
type world struct {
	t    *testing.T
	dir  string
	kept *intaketest.Stream
	log  bytes.Buffer
	f    *folder.Folder
}

func config() intake.Folder {
	return intake.Config{}.WithDefaults().Folder
}

func newWorld(t *testing.T, dir string, kept *intaketest.Stream, cfg intake.Folder) *world {
	t.Helper()
	w := &world{t: t, dir: dir, kept: kept}
	amber := report.TLPAmber
	src := intake.NewSources([]intake.Source{{Name: "north", TLP: &amber}})
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	door := intake.NewDoor(src, kept, func(string, io.Reader) string { return "xarf" }, log)
	f, err := folder.New(cfg, dir, door, log)
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	return w
}

// run runs the folder in a bubble's time, without the system's help, while do goes on.
func (w *world) run(do func()) {
	w.f.Unwatch()
	ctx, cancel := context.WithCancel(w.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.f.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	do()
	cancel()
	wg.Wait()
}

func (w *world) put(name, body string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		w.t.Fatal(err)
	}
	// A file's time comes from the real clock, which a bubble does not know.
	if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

// files lists what lies in the drop folder, done included.
func (w *world) files() []string {
	w.t.Helper()
	var all []string
	if err := fs.WalkDir(os.DirFS(w.dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) want(what string, files ...string) {
	w.t.Helper()
	if d := cmp.Diff(files, w.files()); d != "" {
		w.t.Errorf("%s:\n%s", what, d)
	}
}

func (w *world) wantKept(want ...string) {
	w.t.Helper()
	var got []string
	for _, k := range w.kept.Kept() {
		got = append(got, fmt.Sprintf("%s %s %s %s", k.Report.Channel, k.Report.Reporter, k.Report.Name, k.Bytes))
	}
	slices.Sort(got) // files are taken together
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		w.t.Errorf("kept:\n%s", d)
	}
}

// today is a bubble's first day.
const today = "done/2000-01-01/"

func TestFinishedFilesAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, config())
		for name, body := range map[string]string{
			"a.json": "1", "north/b.json": "2", "march/deep/c.json": "3", "grows": "1",
			".hidden": "no", "d.json.part": "no", "north/e.TMP": "no",
		} {
			w.put(name, body)
		}
		w.run(func() {
			for i := range 5 {
				time.Sleep(time.Second)
				synctest.Wait()
				if i == 0 {
					w.want("before they have settled", ".hidden", "a.json", "d.json.part", "grows", "march/deep/c.json", "north/b.json", "north/e.TMP")
				}
				w.put("grows", strings.Repeat("1", i+2))
			}
			time.Sleep(30 * time.Second)
			synctest.Wait()
		})
		w.want("afterwards", ".hidden", "d.json.part", today+"a.json", today+"grows", today+"march/deep/c.json", today+"north/b.json", "north/e.TMP")
		w.wantKept("folder xarf a.json 1", "folder xarf c.json 3", "folder north b.json 2", "folder xarf grows 111111")
		if s := w.f.Stuck(); len(s) != 0 {
			t.Errorf("stuck: %v", s)
		}
		if log := w.log.String(); strings.Contains(log, "a.json") || !strings.Contains(log, "report taken") {
			t.Errorf("the log names files, or says nothing:\n%s", log)
		}
	})
}

// company accepts nothing before all are there.
type company struct {
	intaketest.Stream
	wait sync.WaitGroup
}

func (c *company) Accept(ctx context.Context, rep report.Report, r io.Reader) (report.Report, bool, error) {
	c.wait.Done()
	c.wait.Wait()
	return c.Stream.Accept(ctx, rep, r)
}

func TestSmallFilesAreTakenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: t.TempDir()}
		log := slog.New(slog.DiscardHandler)
		kept := &company{}
		door := intake.NewDoor(intake.NewSources(nil), kept, func(string, io.Reader) string { return "xarf" }, log)
		f, err := folder.New(config(), w.dir, door, log)
		if err != nil {
			t.Fatal(err)
		}
		w.f = f
		const n = 64
		kept.wait.Add(n)
		for i := range n {
			w.put(fmt.Sprint(i), fmt.Sprint("report ", i))
		}
		time.Sleep(time.Minute)
		w.run(synctest.Wait) // one by one they would wait for ever
		if got := len(kept.Kept()); got != n {
			t.Errorf("%d of %d files taken", got, n)
		}
	})
}

func TestRenamedInIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, config())
		w.put("a", "old enough")
		time.Sleep(time.Minute)
		w.run(synctest.Wait) // no time passes
		w.want("its own time says that it is whole", today+"a")
	})
}

func TestWhatCannotBeTakenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, config())
		w.kept.Fail(errors.New("the disk is full"))
		w.run(func() {
			w.put("a", "1")
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			w.want("while it cannot be", "a")
			s := w.f.Stuck()
			if len(s) != 1 || s[0].Path != "a" || s[0].Reason != "the disk is full" {
				t.Errorf("stuck: %+v", s)
			}
			if n := w.kept.Calls(); n < 5 {
				t.Errorf("tried %d times in five minutes", n)
			}
			if n := strings.Count(w.log.String(), "cannot be taken"); n != 1 {
				t.Errorf("said %d times", n)
			}
			w.kept.Fail(nil)
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		w.want("when it can be", today+"a")
		if s := w.f.Stuck(); len(s) != 0 {
			t.Errorf("still stuck: %+v", s)
		}
	})
}

// TestStuckFileCanBeFound: the log tells the operator which file it is and why, without its name.
func TestStuckFileCanBeFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, config())
		if err := os.Symlink("/nowhere/doe", filepath.Join(w.dir, "jane-doe.eml")); err != nil {
			t.Fatal(err)
		}
		w.kept.Fail(errors.New("the disk is full"))
		w.put("john-doe.csv", "12345")
		w.run(func() {
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		for name, cause := range map[string]string{
			"jane-doe.eml": "it: a link that leads nowhere or out of " + w.dir + " is not followed: put the file itself there",
			"john-doe.csv": "the disk is full",
		} {
			info, err := os.Lstat(filepath.Join(w.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("inode=%d bytes=%d cause=%q", info.Sys().(*syscall.Stat_t).Ino, info.Size(), cause)
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("no %s in the log:\n%s", want, &w.log)
			}
		}
		if strings.Contains(w.log.String(), "doe") {
			t.Errorf("the log names a person:\n%s", &w.log)
		}
	})
}

func TestLinksOutAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, config())
		if err := os.Symlink("/etc/hostname", filepath.Join(w.dir, "host")); err != nil {
			t.Fatal(err)
		}
		w.run(func() {
			time.Sleep(time.Minute)
			synctest.Wait()
			if s := w.f.Stuck(); len(s) != 1 || s[0].Path != "host" {
				t.Errorf("stuck: %+v", s)
			}
			os.Remove(filepath.Join(w.dir, "host"))
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		w.wantKept()
		if s := w.f.Stuck(); len(s) != 0 {
			t.Errorf("a file that is gone is stuck: %+v", s)
		}
	})
}

func TestCrashBetweenAcceptAndMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, kept := t.TempDir(), &intaketest.Stream{}
		var w *world
		for range 2 { // the second time the file is here again, as if it had not been moved
			w = newWorld(t, dir, kept, config())
			w.put("north/a.csv", "1")
			w.run(func() {
				time.Sleep(time.Minute)
				synctest.Wait()
			})
		}
		w.want("both were put away", today+"north/a.csv", today+"north/a~2.csv")
		w.wantKept("folder north a.csv 1")
	})
}

func TestSafeButNotToBeMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, config())
		w.put("done/2000-01-01", "a file where a folder should be")
		w.put("a", "1")
		w.run(func() {
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if s := w.f.Stuck(); len(s) != 1 || !strings.Contains(s[0].Reason, "safe in the stream") {
				t.Errorf("stuck: %+v", s)
			}
			os.Remove(filepath.Join(w.dir, "done/2000-01-01"))
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		w.want("afterwards", today+"a")
		if n := w.kept.Calls(); n != 1 {
			t.Errorf("it was read %d times", n)
		}
	})
}

func TestDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Delete = true
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, cfg)
		w.put("a", "1")
		w.run(func() { time.Sleep(time.Minute); synctest.Wait() })
		w.want("nothing is left")
		w.wantKept("folder xarf a 1")
	})
}

func TestDoneHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Scan = time.Hour
		w := newWorld(t, t.TempDir(), &intaketest.Stream{}, cfg)
		w.put("done/notes.txt", "somebody's own")
		w.put("a", "1")
		w.run(func() {
			time.Sleep(30*24*time.Hour + time.Minute)
			synctest.Wait()
			w.want("on the last day", today+"a", "done/notes.txt")
			time.Sleep(25 * time.Hour)
			synctest.Wait()
			w.want("after it", "done/notes.txt")
		})
		if !strings.Contains(w.log.String(), "files=1") {
			t.Errorf("the log does not count what was removed:\n%s", &w.log)
		}
	})
}

// TestTheSystemTells is the one test in real time: it needs the system's own news of changes.
func TestTheSystemTells(t *testing.T) {
	cfg := config()
	cfg.Settle, cfg.Scan = 100*time.Millisecond, time.Hour
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "north"), 0o750); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir, &intaketest.Stream{}, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	deadline := time.Now().Add(20 * time.Second)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for i, name := range []string{"a", "north/b", "new/c"} {
		w.put(name, name)
		for len(w.kept.Kept()) != i+1 {
			if time.Now().After(deadline) {
				t.Fatalf("%s was not taken", name)
			}
			<-look.C
		}
	}
}

func TestNewSaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/drop", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if _, err := folder.New(config(), dir+"/drop", nil, log); err == nil || !strings.Contains(err.Error(), "drop folder") {
		t.Errorf("a file was taken for a drop folder: %v", err)
	}
}
