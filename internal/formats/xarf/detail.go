package xarf

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"tocsin/internal/report"
)

const (
	// maxPayload is how long the payload of an evidence item may be to be kept as a detail. Of a longer one, its
	// size and SHA-256 are kept; the bytes themselves are in the original.
	maxPayload = 4 << 10

	// maxPlain is how many plain values of a list become a detail each. A longer list stays one, as JSON.
	maxPlain = 16
)

// notes collects details. All their text stands in one buffer, so an event costs one allocation for it.
type notes struct {
	buf    []byte
	spans  []span
	list   []report.Detail
	dotted bool // a member's own name has a dot: two names can be alike
	full   bool
}

// span is one detail in the buffer: its name ends where its value begins.
type span struct{ name, value, end int }

// finish turns everything not used into details, in the document's order, and the broken rules into warnings.
func (b *builder) finish() (wrong string) {
	n := &b.notes
	n.buf, n.spans, n.list, n.dotted, n.full = n.buf[:0], n.spans[:0], n.list[:0], false, false
	b.path = b.path[:0]
	b.details(0)
	if n.full {
		return fmt.Sprintf("the report has more than %d members or more than %d bytes in them beside evidence: split it",
			report.MaxDetails, report.MaxDetailBytes)
	}
	text := string(n.buf)
	for _, s := range n.spans {
		n.list = append(n.list, report.Detail{Name: text[s.name:s.value], Value: text[s.value:s.end]})
	}
	if n.dotted {
		n.unmix()
	}
	for i, w := range b.broken {
		n.warn(i, w)
	}
	if b.more > 0 {
		n.warn(len(b.broken), fmt.Sprintf("%d more rules of XARF 4.2 are broken", b.more))
	}
	b.event.Details = n.list
	return ""
}

// details walks over the members of value i.
func (b *builder) details(i int) {
	k := 0
	for j, end := i+1, b.v[i].end; j < end && !b.notes.full; j = b.v[j].end {
		v := &b.v[j]
		at := len(b.path)
		if at > 0 {
			b.path = append(b.path, '.')
		}
		if b.v[i].kind == list {
			b.path = strconv.AppendInt(b.path, int64(k), 10)
		} else {
			b.path = append(b.path, v.name...)
			b.notes.dotted = b.notes.dotted || bytes.IndexByte(v.name, '.') >= 0
		}
		k++
		if !v.used && len(b.path) <= report.MaxDetailBytes {
			b.detail(j)
		} else if !v.used {
			b.notes.full = true
		}
		b.path = b.path[:at]
	}
}

func (b *builder) detail(j int) {
	n, v := &b.notes, &b.v[j]
	switch {
	case v.kind&(object|list) == 0:
		if isPayload(v.name) && len(v.text) > maxPayload {
			size, sum := digest(v.text)
			n.add(b.path, ".size", strconv.AppendInt(nil, size, 10))
			n.add(b.path, ".sha256", sum)
			return
		}
		n.add(b.path, "", v.text)
	case v.end == j+1 && v.kind == list:
		n.add(b.path, "", []byte("[]"))
	case v.end == j+1:
		n.add(b.path, "", []byte("{}"))
	case v.kind == list && v.end-j-1 > maxPlain && b.count(j) == v.end-j-1 && !b.anyUsed(j):
		flat := jsontext.Value(bytes.Clone(v.text))
		if flat.Compact() == nil { // it never fails on what was read before
			n.add(b.path, "", flat)
		}
	default:
		b.details(j)
	}
}

func (b *builder) anyUsed(i int) bool {
	for j := i + 1; j < b.v[i].end; j++ {
		if b.v[j].used {
			return true
		}
	}
	return false
}

func isPayload(name []byte) bool {
	return string(name) == "payload" || string(name) == "Payload" || string(name) == "Data"
}

// digest returns the size and SHA-256 of what a payload encodes, or of its characters where it is not base64.
func digest(s []byte) (size int64, sum []byte) {
	for _, enc := range [...]*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
		h := sha256.New()
		if n, err := io.Copy(h, base64.NewDecoder(enc, bytes.NewReader(s))); err == nil {
			return n, hex.AppendEncode(nil, h.Sum(nil))
		}
	}
	h := sha256.Sum256(s)
	return int64(len(s)), hex.AppendEncode(nil, h[:])
}

func (n *notes) add(path []byte, suffix string, v []byte) {
	const room = maxBroken + 1 // for warnings
	if len(n.spans) == report.MaxDetails-room || len(n.buf)+len(path)+len(suffix)+len(v) > report.MaxDetailBytes-room*1024 {
		n.full = true
		return
	}
	s := span{name: len(n.buf)}
	n.buf = append(append(n.buf, path...), suffix...)
	s.value = len(n.buf)
	n.buf = append(n.buf, v...)
	s.end = len(n.buf)
	n.spans = append(n.spans, s)
}

// unmix gives details of one name a number: {"a.b":1,"a":{"b":2}} has two that are a.b.
func (n *notes) unmix() {
	seen := make(map[string]int, len(n.list))
	for i := range n.list {
		name := n.list[i].Name
		for seen[n.list[i].Name] > 0 {
			seen[name]++
			n.list[i].Name = name + "#" + strconv.Itoa(seen[name])
		}
		seen[n.list[i].Name]++
	}
}

// warn adds a warning under the first free name: warning, warning.2, ... The sender may have such members too.
func (n *notes) warn(i int, sentence string) {
	for k := i + 1; ; k++ {
		name := "warning"
		if k > 1 {
			name += "." + strconv.Itoa(k)
		}
		if !n.has(name) {
			n.list = append(n.list, report.Detail{Name: name, Value: sentence})
			return
		}
	}
}

func (n *notes) has(name string) bool {
	for i := range n.list {
		if n.list[i].Name == name {
			return true
		}
	}
	return false
}
