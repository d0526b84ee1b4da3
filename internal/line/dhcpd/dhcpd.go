// Package dhcpd reads the lease files of ISC dhcpd, for DHCPv4 and DHCPv6 (dhcpd.leases(5)). The server appends a block
// whenever a lease changes.
package dhcpd

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/lease"
	"tocsin/internal/report"
)

// Spec names what this package follows.
const Spec = "ISC dhcpd 4.x, dhcpd.leases(5)"

// Files are the lease files of one server.
type Files struct {
	Realm    string // of the addresses: "" where they are the Internet's
	Identity lease.Identity
}

const (
	maxLine  = 64 << 10
	maxDepth = 16 // blocks within blocks
)

// Read yields a record for each lease that says who has what, and a *report.RowError for each that cannot be used; leases
// count from 1. A lease that is not whole, at the end of a file that is still being written, is left out, and read next
// time. Blocks about other things are left aside.
//
// What is damaged is refused as a whole, and with it the lease before or behind: where the server died or the disk was
// full, a block may go on in the middle of another, and others may be lost in between.
func (f *Files) Read(r io.Reader) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 0, 4096), maxLine)
		in.Split(lines)
		p := parser{files: f}
		for in.Scan() {
			rec, ok, err := p.line(in.Text())
			if (ok || err != nil) && !yield(rec, err) || p.ended {
				return
			}
		}
		if err := in.Err(); err != nil {
			reason := "the file cannot be read on: " + report.Reason(err)
			if errors.Is(err, bufio.ErrTooLong) {
				reason = "a line is longer than 64 KiB, and nothing can be read behind it"
			}
			yield(line.Record{}, &report.RowError{Row: p.row + 1, Reason: reason})
		}
	}
}

// lines splits what is read into lines, and leaves out one that has no end yet.
func lines(data []byte, atEOF bool) (int, []byte, error) {
	if atEOF && bytes.IndexByte(data, '\n') < 0 {
		return len(data), nil, nil
	}
	return bufio.ScanLines(data, atEOF)
}

// parser reads a file line by line.
type parser struct {
	files *Files
	open  []block // the blocks that are open, the innermost last
	row   int64
	wrong bool // what is open is damaged, until the block at the top ends: it is said once
	ended bool // nothing can be read behind
}

var (
	errCut      = errors.New("the lease has no end: the file was damaged there, and others may be lost with it")
	errTogether = errors.New("a line is none that dhcpd writes there: the file was damaged, and leases may be lost")
)

// line reads a line. ok says that there is a record; an error is a *report.RowError.
func (p *parser) line(raw string) (rec line.Record, ok bool, err error) {
	text := strings.TrimSpace(raw)
	refuse := func(why error) (line.Record, bool, error) {
		p.row++
		return line.Record{}, false, &report.RowError{Row: p.row, Reason: why.Error()}
	}
	top := text != "" && raw[0] != ' ' && raw[0] != '\t'
	switch {
	case strings.HasPrefix(text, "#"), text == "":
	case strings.HasSuffix(text, "{") && len(p.open) == maxDepth:
		p.ended = true
		return refuse(errors.New("there are more braces open than dhcpd writes: it is no lease file"))
	case strings.HasSuffix(text, "{"):
		head := strings.Fields(strings.TrimSpace(strings.TrimSuffix(text, "{")))
		if len(head) > 1 && head[0] == "}" && len(p.open) > 1 { // } else {
			p.open, head = p.open[:len(p.open)-1], head[1:]
		}
		cut := false
		if top || begins(head) { // dhcpd sets what is within a block in
			cut = len(p.open) > 0 && !p.wrong
			p.open, p.wrong = p.open[:0], false
		}
		known := begins(head) || len(p.open) > 0 && within(head)
		p.open = append(p.open, block{head: head})
		if !known && !p.wrong {
			p.wrong = true
			return refuse(errTogether)
		}
		if cut {
			return refuse(errCut)
		}
	case text == "}" && len(p.open) > 0:
		b := p.open[len(p.open)-1]
		p.open = p.open[:len(p.open)-1]
		damaged := p.wrong
		if len(p.open) == 0 {
			p.wrong = false
		}
		if damaged || !b.isLease() {
			break
		}
		rec, ok, wrong := p.files.lease(&b, p.open)
		if wrong != nil {
			return refuse(wrong)
		}
		p.row++
		return rec, ok, nil
	case len(p.open) > 0:
		b := &p.open[len(p.open)-1]
		if !p.wrong && !b.line(text) {
			p.wrong = true
			return refuse(errTogether)
		}
	case !top || !statement(text): // of a block whose beginning is lost
		if !p.wrong {
			p.wrong = true
			return refuse(errTogether)
		}
	}
	return rec, false, nil
}

// block is what stands in braces: lease ADDR, or within ia-na or ia-pd DUID iaaddr ADDR or iaprefix PREFIX.
type block struct {
	head []string
	says map[string]string
}

func (b *block) isLease() bool {
	return len(b.head) == 2 && (b.head[0] == "lease" || b.head[0] == "iaaddr" || b.head[0] == "iaprefix")
}

// statements are those that are read, by their beginning.
var statements = []string{
	"binding state ", "starts ", "ends ", "cltt ", "hardware ethernet ", "uid ", "option agent.circuit-id ", "option agent.remote-id ",
}

// heads are what blocks begin with that stand in no other.
var heads = []string{"lease", "ia-na", "ia-ta", "ia-pd", "failover", "host", "group", "class", "subclass"}

func begins(head []string) bool { return len(head) > 0 && slices.Contains(heads, head[0]) }

// statement reports whether a line may stand in no block.
func statement(text string) bool {
	first, _, _ := strings.Cut(text, " ")
	return strings.HasSuffix(text, ";") && (first == "authoring-byte-order" || first == "server-duid")
}

// within reports whether a block may stand in another: an address in an IA, or what is to be done when a lease ends.
func within(head []string) bool {
	return len(head) > 0 && slices.Contains([]string{"iaaddr", "iaprefix", "on", "if", "else", "elsif", "switch", "case"}, head[0])
}

// line takes a line of the block. False where dhcpd does not write it so: each statement ends with a semicolon, and of
// those that are read a block has one.
func (b *block) line(text string) bool {
	value, _, comment := strings.Cut(text, "; #") // the date of an epoch
	if !comment && !strings.HasSuffix(text, ";") && b.isLease() || strings.IndexByte(text, 0) >= 0 {
		return false
	}
	for _, s := range statements {
		if rest, ok := strings.CutPrefix(value, s); ok {
			if b.says == nil {
				b.says = map[string]string{}
			}
			name := strings.TrimSpace(s)
			if _, again := b.says[name]; again && b.isLease() {
				return false
			}
			b.says[name] = strings.TrimSpace(strings.TrimSuffix(rest, ";"))
		}
	}
	return true
}

// lease makes a record of a block within others. ok is false where it says nothing of who has what. The error names no
// subscriber.
func (f *Files) lease(b *block, within []block) (r line.Record, ok bool, err error) {
	prefix, err := leased(b.head)
	if err != nil {
		return r, false, err
	}
	starts, err1 := moment(b.says["starts"])
	ends, err2 := moment(b.says["ends"])
	last, err3 := moment(b.says["cltt"]) // of the client's last transaction
	if err := errors.Join(err1, err2, err3); err != nil {
		return r, false, errors.New(report.Reason(err))
	}
	r = line.Record{Range: line.Range{Prefix: prefix, Realm: f.Realm, Hi: math.MaxUint16}}
	switch state := b.says["binding state"]; state {
	case "active":
		r.Action, r.At, r.Until = line.Alive, cmp.Or(last, starts), ends
		if r.Held.Line = f.who(b, within); r.Held.Line == "" {
			return r, false, fmt.Errorf("the lease has no %s identity, which names the line", cmp.Or(f.Identity, lease.Hardware))
		}
	case "free", "expired", "released", "backup", "reset":
		if ends.IsZero() { // it never was anybody's
			return r, false, nil
		}
		r.Action, r.At, r.Held.Line = line.Stop, ends, f.who(b, within)
	case "abandoned": // somebody whom the server does not know uses it, since a time between those that it says
		for _, m := range []line.Moment{starts, last, ends} {
			if r.At.IsZero() {
				r.At = m
			} else if !m.IsZero() {
				r.At = line.Moment{Earliest: min(r.At.Earliest, m.Earliest), Latest: max(r.At.Latest, m.Latest)}
			}
		}
		if r.Action = line.Stop; r.At.IsZero() { // it was nobody's before
			return r, false, nil
		}
	case "bootp":
		return r, false, nil
	case "":
		return r, false, errors.New("the lease has no binding state: a part of it is missing")
	default:
		return r, false, fmt.Errorf("binding state %q is none that dhcpd knows", report.Printable(state))
	}
	if bad := r.Validate(); bad != nil {
		return r, false, errors.New(report.Reason(bad))
	}
	return r, true, nil
}

func leased(head []string) (netip.Prefix, error) {
	if head[0] == "iaprefix" {
		p, err := netip.ParsePrefix(head[1])
		if err != nil || !p.Addr().Is6() || p.Addr().Is4In6() {
			return p, errors.New("iaprefix is no network of IPv6")
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(head[1])
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Prefix{}, errors.New("the address of the lease is none")
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// moment reads a date as dhcpd writes it: the weekday's number and the time in UTC, "epoch" and seconds of Unix time (with
// db-time-format local), or "never".
func moment(text string) (line.Moment, error) {
	if text == "" || text == "never" {
		return line.Moment{}, nil
	}
	if seconds, ok := strings.CutPrefix(text, "epoch "); ok {
		n, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
		if err != nil || n <= 0 || n > 1<<40 {
			return line.Moment{}, errors.New("a time of the lease is none")
		}
		return line.Moment{Earliest: n, Latest: n}, nil
	}
	if _, date, ok := strings.Cut(text, " "); ok {
		if at, err := time.Parse("2006/01/02 15:04:05", date); err == nil {
			return line.At(at), nil
		}
	}
	return line.Moment{}, errors.New("a time of the lease is none")
}

// who names the line; "" where nothing does.
func (f *Files) who(b *block, within []block) string {
	switch f.Identity {
	case lease.Hardware, "":
		return strings.ToLower(b.says["hardware ethernet"])
	case lease.Client:
		if len(within) > 0 && len(within[0].head) == 2 { // ia-na and ia-pd: the IAID's four bytes, then the DUID
			if id := unquoted(within[0].head[1]); len(id) > 4 {
				return hex.EncodeToString(id[4:])
			}
			return ""
		}
		return hex.EncodeToString(unquoted(b.says["uid"]))
	case lease.Circuit:
		return hex.EncodeToString(unquoted(b.says["option agent.circuit-id"]))
	case lease.Remote:
		return hex.EncodeToString(unquoted(b.says["option agent.remote-id"]))
	}
	return ""
}

// unquoted undoes dhcpd's two ways of writing bytes: text in quotes with octal escapes, or hexadecimal pairs with colons.
func unquoted(v string) []byte {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		var b []byte
		for pair := range strings.SplitSeq(v, ":") {
			n, err := strconv.ParseUint(pair, 16, 8)
			if err != nil {
				return []byte(v)
			}
			b = append(b, byte(n))
		}
		return b
	}
	v = v[1 : len(v)-1]
	var b []byte
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+3 < len(v) {
			if n, err := strconv.ParseUint(v[i+1:i+4], 8, 8); err == nil {
				b = append(b, byte(n))
				i += 3
				continue
			}
		}
		if v[i] == '\\' && i+1 < len(v) {
			i++
		}
		b = append(b, v[i])
	}
	return b
}
