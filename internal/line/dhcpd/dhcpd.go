// Package dhcpd reads the lease files of ISC dhcpd, for DHCPv4 and DHCPv6 (dhcpd.leases(5)). The server appends a block
// whenever a lease changes.
package dhcpd

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/netip"
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
func (f *Files) Read(r io.Reader) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 0, 4096), maxLine)
		var open []block // the blocks that are open, the innermost last
		row := int64(0)
		for in.Scan() {
			text := strings.TrimSpace(in.Text())
			switch {
			case strings.HasPrefix(text, "#"), text == "":
			case strings.HasSuffix(text, "{") && len(open) == maxDepth:
				yield(line.Record{}, &report.RowError{Row: row + 1, Reason: "there are more braces open than dhcpd writes: it is no lease file"})
				return
			case strings.HasSuffix(text, "{"):
				open = append(open, block{head: strings.Fields(strings.TrimSpace(strings.TrimSuffix(text, "{")))})
			case text == "}" && len(open) > 0:
				b := open[len(open)-1]
				open = open[:len(open)-1]
				if !b.isLease() {
					continue
				}
				row++
				rec, ok, err := f.lease(&b, open)
				if err != nil {
					err = &report.RowError{Row: row, Reason: err.Error()}
				}
				if (ok || err != nil) && !yield(rec, err) {
					return
				}
			case len(open) > 0:
				open[len(open)-1].line(text)
			}
		}
		if err := in.Err(); err != nil {
			reason := "the file cannot be read on: " + report.Reason(err)
			if errors.Is(err, bufio.ErrTooLong) {
				reason = "a line is longer than 64 KiB, and nothing can be read behind it"
			}
			yield(line.Record{}, &report.RowError{Row: row + 1, Reason: reason})
		}
	}
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

func (b *block) line(text string) {
	for _, s := range statements {
		if rest, ok := strings.CutPrefix(text, s); ok {
			if b.says == nil {
				b.says = map[string]string{}
			}
			value, _, _ := strings.Cut(rest, "; #") // a comment: the date of an epoch
			b.says[strings.TrimSpace(s)] = strings.TrimSpace(strings.TrimSuffix(value, ";"))
		}
	}
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
	case "free", "expired", "released":
		if ends.IsZero() { // it never was anybody's
			return r, false, nil
		}
		r.Action, r.At, r.Held.Line = line.Stop, ends, f.who(b, within)
	case "abandoned", "backup", "reset", "bootp", "":
		return r, false, nil
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
