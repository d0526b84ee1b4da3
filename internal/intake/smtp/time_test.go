package smtp_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tocsin/internal/intake"
	"tocsin/internal/intake/smtp"
)

// TestTime: who says nothing is sent away, and so is who sends a mail drop by drop.
func TestTime(t *testing.T) {
	for _, c := range []struct {
		name, begin, drop string
		every, until      time.Duration
		want              string
	}{
		{"silent", "", "", 0, 5 * time.Minute, "421 4.4.2 nothing was heard"},
		{"silent after a greeting", "EHLO mx\r\n", "", 0, 5 * time.Minute, "421 4.4.2 nothing was heard"},
		{"silent in a mail", "DATA\r\nabc\r\n", "", 0, 5 * time.Minute, "421 4.4.2 the mail took too long"},
		{"silent in a part", "BDAT 100 LAST\r\nabc\r\n", "", 0, 5 * time.Minute, "421 4.4.2 the mail took too long"},
		{"drop by drop", "DATA\r\n", "x\r\n", time.Minute, 30 * time.Minute, "421 4.4.2 the mail took too long"},
		{"part by part", "", "BDAT 1\r\nx", 4 * time.Minute, 30 * time.Minute, "421 4.4.2 the mail took too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := build(t, nil) // its ports are no part of the bubble
			defer n.server.Close()
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				ended := make(chan struct{})
				go func() { defer close(ended); n.server.Speak(t.Context(), ours, false) }()
				var heard bytes.Buffer
				listened := make(chan struct{})
				go func() { defer close(listened); _, _ = io.Copy(&heard, theirs) }()
				begin := time.Now()
				if strings.HasPrefix(c.begin, "DATA") || strings.HasPrefix(c.begin, "BDAT") || c.drop != "" {
					c.begin = "EHLO mx\r\nMAIL FROM:<a@b>\r\nRCPT TO:<abuse@example.net>\r\n" + c.begin
				}
				if _, err := io.WriteString(theirs, c.begin); err != nil {
					t.Error(err)
				}
				for c.drop != "" {
					if _, err := io.WriteString(theirs, c.drop); err != nil {
						break
					}
					select {
					case <-time.After(c.every):
						continue
					case <-ended:
					}
					break
				}
				<-ended
				if took := time.Since(begin); took != c.until {
					t.Errorf("it took %s, want %s", took, c.until)
				}
				<-listened
				if !strings.Contains(heard.String(), c.want) {
					t.Errorf("heard %q", &heard)
				}
			})
			if got := n.bodies(); len(got) != 0 {
				t.Errorf("kept %q", got)
			}
		})
	}
}

// TestStopIsBounded: a mail that does not come to its end keeps a node that stops for some seconds, and no longer.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.greet(t, abuse)
	c.send("DATA\r\n")
	c.says("354")
	c.send("half a mail\r\n")
	n.stop() // returns: a stop without bounds would hold the test until it is ended
	if got := n.bodies(); len(got) != 0 {
		t.Errorf("kept %q", got)
	}
}

// TestEveryByte: whatever a mail is made of comes out as it went in, by DATA and by BDAT, in whatever pieces it comes.
func TestEveryByte(t *testing.T) {
	n := start(t, func(c *intake.SMTP) { c.MaxBytes = 1 << 20 })
	rapid.Check(t, func(rt *rapid.T) {
		tokens := rapid.SliceOfN(rapid.SampledFrom([]string{
			"\r", "\n", "\r\n", ".", "..", "a", "\x00", "\xff", "\r\n.", "\r\n.\r\n", "\r\r\n", "\n.\n", "QUIT\r\n", strings.Repeat("y", 16<<10-1),
		}), 0, 40).Draw(rt, "tokens")
		body := strings.Join(tokens, "") + rapid.StringMatching(`[a-z]{8}`).Draw(rt, "unique") + "\r\n"
		chunks := rapid.Bool().Draw(rt, "chunks")
		c := n.greet(t, abuse)
		defer c.Close()
		if chunks {
			for rest := body; rest != ""; {
				k := rapid.IntRange(1, len(rest)).Draw(rt, "part")
				last := ""
				if k == len(rest) {
					last = " LAST"
				}
				c.send(fmt.Sprintf("BDAT %d%s\r\n%s", k, last, rest[:k]))
				rest = rest[k:]
				if rest != "" {
					c.says("250 2.0.0 ok")
				}
			}
		} else {
			c.send("DATA\r\n")
			c.says("354")
			for wire := stuffed(body); wire != ""; {
				k := rapid.IntRange(1, len(wire)).Draw(rt, "piece")
				c.send(wire[:k])
				wire = wire[k:]
			}
		}
		c.says("250 2.0.0 taken")
		all := n.bodies()
		if all[len(all)-1] != body { // one like another before is a duplicate, which this length of name excludes
			rt.Fatalf("sent %q, kept %q", body, all[len(all)-1])
		}
	})
}

// TestReadDataAsOneByOne compares with a slow reader that knows nothing but the rule: CR LF . CR LF ends a mail.
func TestReadDataAsOneByOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tokens := rapid.SliceOfN(rapid.SampledFrom([]string{"\r", "\n", ".", "a", "\r\n", "\r\n.\r\n"}), 0, 30).Draw(rt, "tokens")
		wire := strings.Join(tokens, "")
		want, rest, whole := strings.Cut("\r\n"+wire, "\r\n.\r\n")
		want = strings.ReplaceAll(want+"\r\n", "\r\n.", "\r\n")[2:]
		r := bufio.NewReaderSize(strings.NewReader(wire), 16) // the smallest there is: lines are cut everywhere
		var got bytes.Buffer
		err := smtp.ReadData(r, &got)
		if !whole {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				rt.Fatalf("%q has no end, and was read with %v", wire, err)
			}
			return
		}
		left, _ := io.ReadAll(r)
		if err != nil || got.String() != want || string(left) != rest {
			rt.Fatalf("%q: %v\n%s", wire, err, cmp.Diff([]string{want, rest}, []string{got.String(), string(left)}))
		}
	})
}

// TestMemory: a mail takes no more memory than its first part, however large it is.
func TestMemory(t *testing.T) {
	const size = 64 << 20
	address, stop := serveTo(t, &desk{}, func(c *intake.SMTP) { c.MaxBytes = size })
	defer stop()
	c := (&node{smtp: address}).greet(t, abuse)
	c.send("DATA\r\n")
	c.says("354")
	block := bytes.Repeat([]byte(strings.Repeat("x", 76)+"\r\n"), 1000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for sent := 0; sent+len(block) < size; sent += len(block) {
		if _, err := c.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	c.send(".\r\n")
	c.says("250")
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("%d MiB were allocated for a mail of %d MiB", took>>20, size>>20)
	}
}
