package desk

import (
	"bytes"
	"fmt"
	"testing"
)

// framed compresses n lines as a builder does.
func framed(t testing.TB, n int) (body []byte, lines [][]byte) {
	t.Helper()
	var b bodyWriter
	if err := b.reset(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		line := fmt.Appendf(nil, "{\"row\":%d,\"x\":%q}", i, bytes.Repeat([]byte{'a'}, i%300))
		lines = append(lines, line)
		if err := b.event(append(line, '\n')); err != nil {
			t.Fatal(err)
		}
	}
	body, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	return body, lines
}

// TestFrames reads every part of bodies in frames, and of one that is not.
func TestFrames(t *testing.T) {
	for _, n := range []int{1, frameEvents - 1, frameEvents, frameEvents + 1, 5*frameEvents + 7} {
		body, lines := framed(t, n)
		raw, err := Decompress(body) // as an older Tocsin reads it
		if want := append(bytes.Join(lines, []byte("\n")), '\n'); err != nil || !bytes.Equal(raw, want) {
			t.Fatalf("%d events: %v", n, err)
		}
		old, err := compress(raw)
		if err != nil {
			t.Fatal(err)
		}
		if f := ReadFrames(old); f.each != 0 {
			t.Error("a body without frames has some")
		}
		frames := ReadFrames(body[:min(len(body), FramesHead)])
		for start := 0; start < n; start += 97 {
			for _, k := range []int{1, 60, frameEvents, n - start} {
				k = min(k, n-start)
				from, to, skip, ok := frames.Span(start, k)
				if !ok && n <= frameEvents {
					from, to, skip, ok = 0, int64(len(body)), start, true
				}
				if !ok {
					t.Fatalf("%d+%d of %d events: not found", start, k, n)
				}
				for what, got := range map[string]func() ([][]byte, error){
					"frames": func() ([][]byte, error) { return EventLines(body[from:to], skip, k) },
					"whole":  func() ([][]byte, error) { return EventLines(body, start, k) },
					"old":    func() ([][]byte, error) { return EventLines(old, start, k) },
				} {
					got, err := got()
					if err != nil || len(got) != k || !bytes.Equal(got[0], lines[start]) || !bytes.Equal(got[k-1], lines[start+k-1]) {
						t.Fatalf("%s: %d+%d of %d events: %d, %v", what, start, k, n, len(got), err)
					}
				}
			}
		}
		if _, _, _, ok := frames.Span(0, (n/frameEvents+2)*frameEvents); ok {
			t.Error("events behind the last frame are in the body")
		}
	}
}

func FuzzReadFrames(f *testing.F) {
	body, _ := framed(f, 2*frameEvents)
	f.Add(body, 0, 1)
	f.Add(body[:20], 600, 3)
	f.Fuzz(func(t *testing.T, b []byte, start, n int) {
		start, n = start&0xffff, n&0xffff
		frames := ReadFrames(b)
		if from, to, skip, ok := frames.Span(start, n); ok && (from < 0 || to < from || skip < 0 || skip > start) {
			t.Errorf("[%d, %d), %d", from, to, skip)
		}
		if lines, err := EventLines(b, start, min(n, 100)); err == nil && len(lines) > 100 {
			t.Errorf("%d lines", len(lines))
		}
	})
}
