package evidence_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/evidence"
)

// A tracer of our own, over ptrace(2): strace counts the calls of each thread by itself, and Go moves a goroutine from
// thread to thread, so that its "the 17th call fails" is another one each time. This one counts over all threads, and
// only what concerns the log's folder.

// fault is what happens to one system call.
type fault struct {
	at    int    // which call, from 1
	what  string // "error", "short", "before", "after"
	errno syscall.Errno
}

func (f fault) String() string { return fmt.Sprintf("%s %s at call %d", f.what, f.errno, f.at) }

// Calls that change something, or take hold of it, by where the file stands: a descriptor, or a path and the folder that
// it starts from.
var (
	byDescriptor = map[uint64]string{
		syscall.SYS_WRITE: "write", syscall.SYS_PWRITE64: "pwrite64", syscall.SYS_FSYNC: "fsync", syscall.SYS_FDATASYNC: "fdatasync",
		syscall.SYS_FTRUNCATE: "ftruncate", syscall.SYS_FLOCK: "flock", syscall.SYS_FCNTL: "fcntl",
	}
	byPath = map[uint64]string{
		syscall.SYS_OPENAT: "openat", syscall.SYS_MKDIRAT: "mkdirat", syscall.SYS_RENAMEAT: "renameat", 316: "renameat2",
		syscall.SYS_LINKAT: "linkat", syscall.SYS_UNLINKAT: "unlinkat",
	}
)

// tracer runs one child with one fault.
type tracer struct {
	dir   string
	pid   int
	fault fault
	calls []string // the names of those that were counted
	then  syscall.Errno
	seen  map[int]bool
	in    map[int]bool // the thread is inside of a call
	leave map[int]func(*syscall.PtraceRegs) bool
}

const traceOptions = syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | 0x00100000 // PTRACE_O_EXITKILL

// run runs the child to its end and returns what it said.
func (tr *tracer) run(t *testing.T, calls string) (out, errOut string) {
	t.Helper()
	runtime.LockOSThread() // ptrace belongs to the thread
	defer runtime.UnlockOSThread()
	tmp := t.TempDir()
	var std [2]*os.File
	for i, name := range []string{"out", "err"} {
		f, err := os.Create(filepath.Join(tmp, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		std[i] = f
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tr.pid, err = syscall.ForkExec(self, []string{self}, &syscall.ProcAttr{
		Env:   append(os.Environ(), "TOCSIN_EVIDENCE_CHILD="+tr.dir, "TOCSIN_EVIDENCE_CALLS="+calls, "GOCOVERDIR="+tmp, "GOMAXPROCS=1", "GOGC=off"),
		Files: []uintptr{0, std[0].Fd(), std[1].Fd()}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		t.Skipf("no process can be traced here: %v", err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(tr.pid, syscall.SIGKILL) })
	err = tr.follow()
	if !late.Stop() {
		t.Fatalf("%s: the child did not end", tr.fault)
	}
	if err != nil {
		t.Fatalf("trace: %v", err)
	}
	return string(read(t, std[0].Name())), string(read(t, std[1].Name()))
}

func (tr *tracer) follow() error {
	tr.seen, tr.in, tr.leave = map[int]bool{tr.pid: true}, map[int]bool{}, map[int]func(*syscall.PtraceRegs) bool{}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(tr.pid, &ws, syscall.WALL, nil); err != nil {
		return err
	}
	if err := syscall.PtraceSetOptions(tr.pid, traceOptions); err != nil {
		return err
	}
	if err := syscall.PtraceSyscall(tr.pid, 0); err != nil {
		return err
	}
	for {
		tid, err := syscall.Wait4(-1, &ws, syscall.WALL, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ECHILD):
			return nil
		case err != nil:
			return err
		case ws.Exited() || ws.Signaled():
			if tid == tr.pid {
				return nil
			}
			continue
		}
		signal := 0
		switch sig := ws.StopSignal(); {
		case sig == syscall.SIGTRAP|0x80:
			if err := tr.call(tid); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		case sig == syscall.SIGTRAP: // a thread was made
		case !tr.seen[tid]: // its first stop
			tr.seen[tid] = true
		default:
			signal = int(sig)
		}
		if err := syscall.PtraceSyscall(tid, signal); err != nil && !errors.Is(err, syscall.ESRCH) { // killed
			return err
		}
	}
}

// call is called when a thread enters a system call, and when it leaves it.
func (tr *tracer) call(tid int) error {
	tr.seen[tid] = true
	tr.in[tid] = !tr.in[tid]
	var regs syscall.PtraceRegs
	if tr.in[tid] {
		if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
			return err
		}
		if name := tr.concerns(&regs); name != "" && tr.enter(tid, name, &regs) {
			return syscall.PtraceSetRegs(tid, &regs)
		}
		return nil
	}
	leave := tr.leave[tid]
	if leave == nil {
		return nil
	}
	delete(tr.leave, tid)
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	if leave(&regs) {
		return syscall.PtraceSetRegs(tid, &regs)
	}
	return nil
}

// enter makes the fault happen when its call has come. It reports whether it changed the registers.
func (tr *tracer) enter(tid int, name string, regs *syscall.PtraceRegs) bool {
	tr.calls = append(tr.calls, name)
	fail := func(errno syscall.Errno) bool {
		regs.Orig_rax = ^uint64(0) // no call at all
		tr.leave[tid] = func(regs *syscall.PtraceRegs) bool {
			regs.Rax = uint64(-int64(errno))
			return true
		}
		return true
	}
	if tr.then != 0 { // the call after a short write, which asks for the rest
		errno := tr.then
		tr.then = 0
		return fail(errno)
	}
	if len(tr.calls) != tr.fault.at {
		return false
	}
	switch tr.fault.what {
	case "error":
		return fail(tr.fault.errno)
	case "short":
		regs.Rdx /= 2
		tr.then = tr.fault.errno
		return true
	case "before":
		_ = syscall.Kill(tr.pid, syscall.SIGKILL)
	case "after":
		tr.leave[tid] = func(*syscall.PtraceRegs) bool {
			_ = syscall.Kill(tr.pid, syscall.SIGKILL)
			return false
		}
	}
	return false
}

// concerns is the name of a call that concerns a file of the log, "" of another one.
func (tr *tracer) concerns(regs *syscall.PtraceRegs) string {
	if name := byDescriptor[regs.Orig_rax]; name != "" {
		if name == "fcntl" && regs.Rsi != syscall.F_SETLKW { // it asks what the descriptor is, and needs no answer
			return ""
		}
		if tr.ours(tr.descriptor(regs.Rdi)) {
			return name
		}
		return ""
	}
	name := byPath[regs.Orig_rax]
	if name == "" {
		return ""
	}
	path := tr.text(regs.Rsi)
	if !filepath.IsAbs(path) {
		path = tr.descriptor(regs.Rdi) + "/" + path
	}
	if tr.ours(path) {
		return name
	}
	return ""
}

func (tr *tracer) ours(path string) bool {
	return path == tr.dir || strings.HasPrefix(path, tr.dir+"/")
}

func (tr *tracer) descriptor(fd uint64) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, int32(fd)))
	return path
}

func (tr *tracer) text(at uint64) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", tr.pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 512)
	n, _ := f.ReadAt(b, int64(at))
	text, _, _ := bytes.Cut(b[:n], []byte{0})
	return string(text)
}

// TestEachWriteFails runs a process that appends, again and again, and each time another one of its system calls fails,
// or is its last. Whatever happened: the log opens, everything that was acknowledged is there, no checkpoint that anybody
// saw is contradicted, and the check finds nothing.
func TestEachWriteFails(t *testing.T) {
	for _, story := range []struct {
		name   string
		before int // entries that are there already
		calls  string
	}{
		{"the first entries", 0, "1 2"},
		{"a bundle becomes full", 254, "1 1 2"},
		{"several bundles at once", 250, "300 1"},
	} {
		t.Run(story.name, func(t *testing.T) {
			base := filepath.Join(t.TempDir(), "log")
			if story.before > 0 {
				l := open(t, base)
				appendN(t, l, 0, story.before)
				closed(t, l)
			}
			quiet := tracer{dir: copied(t, base)}
			quiet.run(t, story.calls)
			if len(quiet.calls) < 20 {
				t.Fatalf("only %d calls concern the log: %v", len(quiet.calls), quiet.calls)
			}
			all := faults(quiet.calls)
			step := 1
			if os.Getenv("TOCSIN_PROVE") == "" {
				step = max(len(all)/80, 1) // a prime would do as well: each kind of fault has its turn
				if step%len(kindsOfFault) == 0 {
					step++
				}
			}
			ran, hit, panics := 0, 0, 0
			for i := 0; i < len(all); i += step {
				tr := tracer{dir: copied(t, base), fault: all[i]}
				out, errOut := tr.run(t, story.calls)
				ran++
				if len(tr.calls) >= tr.fault.at {
					hit++
				}
				if strings.Contains(errOut, "panic: ") {
					panics++
					if !strings.Contains(errOut, "tessera") {
						t.Errorf("%s: %s", tr.fault, errOut)
					}
				}
				intact(t, tr.fault.String()+"\n"+errOut, tr.dir, story.before, parseAcknowledged(t, out))
				if t.Failed() {
					t.FailNow()
				}
			}
			t.Logf("%d calls, %d faults of %d tried, %d of them met their call; tessera panicked %d times over its lock",
				len(quiet.calls), ran, len(all), hit, panics)
			if hit < ran*9/10 {
				t.Errorf("only %d of %d faults met their call", hit, ran)
			}
		})
	}
}

var kindsOfFault = []fault{
	{what: "error", errno: syscall.ENOSPC},
	{what: "error", errno: syscall.EIO},
	{what: "short", errno: syscall.ENOSPC},
	{what: "before"},
	{what: "after"},
}

// faults are all that can happen to these calls.
func faults(calls []string) []fault {
	var all []fault
	for i, name := range calls {
		for _, f := range kindsOfFault {
			if f.at = i + 1; f.what != "short" || name == "write" {
				all = append(all, f)
			}
		}
	}
	return all
}

func copied(t *testing.T, base string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	if _, err := os.Stat(base); err == nil {
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// intact opens the log after what happened and goes on with it.
func intact(t *testing.T, what, dir string, before int, told []acknowledged) {
	t.Helper()
	var kept [][]byte
	if raw, err := os.ReadFile(filepath.Join(dir, "checkpoint")); err == nil {
		kept = append(kept, raw) // what a reader saw meanwhile
	}
	for _, a := range told {
		kept = append(kept, a.head)
	}
	l, err := evidence.Open(t.Context(), dir, options())
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	size := l.Size()
	for i := range before {
		told = append(told, acknowledged{first: uint64(i), n: 0, item: i})
	}
	var all [][]byte
	for e, err := range l.Entries(t.Context(), 0, size) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		all = append(all, slices.Clone(e))
	}
	for _, a := range told {
		for i := range max(a.n, 1) {
			want := childItem(a.item + i)
			if a.n == 0 { // what was there before
				want = entry(a.item)
			}
			if at := a.first + uint64(i); at >= size || !bytes.Equal(all[at], want) {
				t.Errorf("%s: entry %d is not %q any more", what, at, want)
				return
			}
		}
	}
	if first, err := l.Append(t.Context(), [][]byte{[]byte("afterwards")}); err != nil || first != size {
		t.Errorf("%s: going on: %d, %v", what, first, err)
	}
	closed(t, l)
	clean(t, dir, evidence.CheckOptions{})
	for _, head := range kept {
		clean(t, dir, evidence.CheckOptions{Since: head, SinceName: what})
	}
}
