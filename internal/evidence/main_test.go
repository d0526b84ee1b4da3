package evidence_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"tocsin/internal/evidence"
)

// TestMain lets the test binary be the process whose writes fail, or that is killed: with TOCSIN_EVIDENCE_CHILD it
// appends to the log of that folder.
func TestMain(m *testing.M) {
	dir := os.Getenv("TOCSIN_EVIDENCE_CHILD")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := child(dir, os.Getenv("TOCSIN_EVIDENCE_CALLS"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child appends, in calls of so many entries each, "for ever" the same again. Each call that came back is told at once.
// After an error it goes on, as a node does, until it has had three.
func child(dir, calls string, out io.Writer) error {
	l, err := evidence.Open(context.Background(), dir, options())
	if err != nil {
		return err
	}
	item, failures := 0, 0
	words := strings.Fields(calls)
	for i := 0; i < len(words); i++ {
		if words[i] == "for-ever" {
			i = 0
		}
		n, err := strconv.Atoi(words[i])
		if err != nil {
			return err
		}
		var all [][]byte
		for range n {
			all = append(all, childItem(item))
			item++
		}
		first, err := l.Append(context.Background(), all)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			if failures++; failures == 3 {
				return errors.New("three failures")
			}
			continue
		}
		fmt.Fprintf(out, "%d %d %d %s\n", first, item-n, n, base64.StdEncoding.EncodeToString(l.Head().Checkpoint))
	}
	return l.Close()
}

func childItem(n int) []byte { return fmt.Appendf(nil, "item %d", n) }

// acknowledged is a call of the child that came back.
type acknowledged struct {
	first uint64 // the index of its first entry
	item  int
	n     int
	head  []byte // the checkpoint that it saw
}

// parseAcknowledged reads what a child told. A last line that was cut was not told.
func parseAcknowledged(t *testing.T, out string) []acknowledged {
	t.Helper()
	var all []acknowledged
	for line := range strings.Lines(out) {
		var a acknowledged
		var head string
		if !strings.HasSuffix(line, "\n") {
			break
		}
		if _, err := fmt.Sscan(line, &a.first, &a.item, &a.n, &head); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		var err error
		if a.head, err = base64.StdEncoding.DecodeString(head); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}
