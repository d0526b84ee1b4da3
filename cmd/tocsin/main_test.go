package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tocsin/internal/app"
	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

// TestMain makes this test binary be `tocsin` when it is called so: scripts and tests run the whole program, race
// detector included.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tocsin": main})
}

// TestScripts plays every story of testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "eventually": eventually, "members": members, "sorted": sorted, "value": value, "field": field,
			"gzip": zipped, "zip": archived, "logged": logged, "flip": flip,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exits CODE COMMAND... runs a command that has to end with this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// eventually PATTERN COMMAND... runs a command again and again until what it prints matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	deadline, again := time.After(time.Minute), time.NewTicker(50*time.Millisecond)
	defer again.Stop()
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("a minute has gone by, and no %s (%v)", args[0], err)
		}
	}
}

// logged DIR N appends N entries to the evidence log of a data directory, as the node does.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logged DIR N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	l, err := app.OpenLog(context.Background(), ts.MkAbs(args[0]), time.Now(), nil, slog.New(slog.DiscardHandler))
	ts.Check(err)
	kinds := evidence.Kinds()
	for i := range n {
		e := evidence.Entry{
			ID: report.NewID(time.Now()), At: time.Now(), Kind: kinds[i%len(kinds)], By: "node",
			Fields: []evidence.Field{{Name: "seq", Value: strconv.Itoa(int(l.Size()))}},
		}
		raw, err := e.Encode()
		ts.Check(err)
		_, err = l.Append(context.Background(), [][]byte{raw})
		ts.Check(err)
	}
	ts.Check(l.Close())
}

// flip FILE OFFSET changes a byte.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := []byte(ts.ReadFile(args[0]))
	data[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// objects reads a file of one JSON object a line.
func objects(ts *testscript.TestScript, file string) []map[string]json.RawMessage {
	var all []map[string]json.RawMessage
	for line := range strings.Lines(ts.ReadFile(file)) {
		var o map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			ts.Fatalf("%s: %q is no JSON object: %v", file, line, err)
		}
		all = append(all, o)
	}
	if len(all) == 0 {
		ts.Fatalf("%s is empty", file)
	}
	return all
}

// members FILE NAME... says that each line is an object with exactly these members.
func members(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: members FILE NAME...")
	}
	want := slices.Sorted(slices.Values(args[1:]))
	for _, o := range objects(ts, args[0]) {
		if got := slices.Sorted(maps.Keys(o)); !slices.Equal(got, want) {
			ts.Fatalf("members %v, want %v", got, want)
		}
	}
}

// sorted FILE NAME says that the lines are in the order of this member, and that there are two at least.
func sorted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sorted FILE NAME")
	}
	var all []string
	for _, o := range objects(ts, args[0]) {
		all = append(all, string(o[args[1]]))
	}
	if len(all) < 2 || !slices.IsSorted(all) {
		ts.Fatalf("not in the order of %s: %v", args[1], all)
	}
}

// value FILE NAME WANT says what a member of the first line is, a text without its quotes.
func value(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: value FILE NAME WANT")
	}
	if got := text(objects(ts, args[0])[0][args[1]]); (got == args[2]) == neg {
		ts.Fatalf("%s is %s", args[1], got)
	}
}

// field VAR FILE LINE NAME puts a member of a line into an environment variable.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: field VAR FILE LINE NAME")
	}
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	all := objects(ts, args[1])
	if n < 1 || n > len(all) {
		ts.Fatalf("%s has %d lines", args[1], len(all))
	}
	ts.Setenv(args[0], text(all[n-1][args[3]]))
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// zipped: gzip FILE writes FILE.gz.
func zipped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gzip FILE")
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(errors.Join(err, z.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".gz"), b.Bytes(), 0o600))
}

// archived: zip OUT FILE... writes a zip file.
func archived(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: zip OUT FILE...")
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range args[1:] {
		w, err := z.Create(filepath.Base(name))
		ts.Check(err)
		_, err = w.Write([]byte(ts.ReadFile(name)))
		ts.Check(err)
	}
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}
