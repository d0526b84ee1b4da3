// Package kea reads the lease files of ISC Kea (the memfile backend, CSV): those of DHCPv4 and of DHCPv6, and what its
// clean-up makes of them (.1, .2, .completed). Kea appends a row whenever a lease changes.
package kea

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/line"
	"tocsin/internal/line/lease"
	"tocsin/internal/report"
)

// Spec names what this package follows.
const Spec = "Kea 1.6 to 3.0, memfile lease files (Kea Administrator Reference Manual, Lease Database)"

// Files are the lease files of one server.
type Files struct {
	Realm    string // of the addresses: "" where they are the Internet's
	Identity lease.Identity
}

const (
	maxLine  = 256 << 10
	infinite = math.MaxUint32 // RFC 2131 §3.3: a lease without end
)

// leaseState is what Kea says of a lease.
const (
	stateAssigned  = "0"
	stateDeclined  = "1" // somebody else uses the address
	stateReclaimed = "2" // it ran out
	stateReleased  = "3" // Kea 2.7 and later
)

// Read yields a record for each row, and a *report.RowError for each that cannot be used; rows count from 1 behind the
// header. A row that is not whole, at the end of a file that is still being written, is left out, and read next time. A
// *report.RowError with Row 0 says that it is no such file. With the refusal of a row that is whole comes which addresses it
// is about.
func (f *Files) Read(r io.Reader) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		in := bufio.NewReaderSize(r, maxLine)
		at, err := header(in)
		if err != nil {
			yield(line.Record{}, &report.RowError{Reason: err.Error()})
			return
		}
		for row := int64(1); ; row++ {
			text, err := in.ReadSlice('\n')
			if errors.Is(err, io.EOF) { // what has no end yet is not whole
				return
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				yield(line.Record{}, &report.RowError{Row: row, Reason: "the row is longer than 256 KiB, and nothing can be read behind it"})
				return
			}
			if err != nil {
				yield(line.Record{}, &report.RowError{Row: row, Reason: "the file cannot be read on: " + report.Reason(err)})
				return
			}
			cells := strings.Split(strings.TrimRight(string(text), "\r\n"), ",")
			if len(cells) == 1 && cells[0] == "" {
				continue
			}
			rec, err := f.row(cells, at)
			if err != nil {
				err = &report.RowError{Row: row, Reason: err.Error()}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// header says at which place each column is.
func header(in *bufio.Reader) (map[string]int, error) {
	first, err := in.ReadString('\n')
	if err != nil {
		return nil, errors.New("the file has no header: it is no lease file of Kea")
	}
	at := map[string]int{}
	for i, name := range strings.Split(strings.TrimRight(first, "\r\n"), ",") {
		at[name] = i
	}
	for _, need := range []string{"address", "valid_lifetime", "expire", "state"} {
		if _, ok := at[need]; !ok {
			return nil, fmt.Errorf("the header has no column %s: it is no lease file of Kea", need)
		}
	}
	return at, nil
}

// row makes a record of a row. Its errors name no subscriber.
func (f *Files) row(cells []string, at map[string]int) (line.Record, error) {
	cell := func(name string) string {
		if i, ok := at[name]; ok && i < len(cells) {
			return unescaped(cells[i])
		}
		return ""
	}
	// A row that is not whole may have another in it, and what it says of its address may be a part of one.
	if len(cells) != len(at) {
		return line.Record{}, fmt.Errorf("the row has %d columns, and the header %d: a part of it is missing, or two rows are run together", len(cells), len(at))
	}
	if slices.ContainsFunc(cells, func(c string) bool { return strings.IndexByte(c, 0) >= 0 }) {
		return line.Record{}, errors.New("the row has zero bytes in it, as a crash leaves them")
	}
	if hw := cell("hwaddr"); !pairs(hw) {
		return line.Record{}, errors.New("hwaddr is none: the row is damaged, or made of two")
	}
	prefix, err := leased(cell("address"), cell("lease_type"), cell("prefix_len"))
	if err != nil {
		return line.Record{}, err
	}
	r := line.Record{Range: line.Range{Prefix: prefix, Realm: f.Realm, Hi: math.MaxUint16}, Action: line.Alive}
	lifetime, err := strconv.ParseUint(cell("valid_lifetime"), 10, 32)
	if err != nil {
		return r, errors.New("valid_lifetime is no number of seconds")
	}
	expire, err := strconv.ParseInt(cell("expire"), 10, 64)
	if err != nil || expire < 0 || expire > 1<<40 {
		return r, errors.New("expire is no time in seconds")
	}
	r.Held.Line, err = f.who(cell)
	began := expire - int64(lifetime)
	r.At, r.Until = line.Moment{Earliest: began, Latest: began}, line.Moment{Earliest: expire, Latest: expire}
	switch state := cell("state"); {
	case state == stateReclaimed:
		r.Action, r.At = line.Stop, r.Until
	case state == stateReleased || state == stateAssigned && lifetime == 0: // given back at that moment
		r.Action = line.Stop
	case state == stateDeclined: // it was nobody's whom the server knows
		r.Action, r.Held = line.Stop, line.Held{}
	case state != stateAssigned:
		return r, fmt.Errorf("state %q is none that Kea knows: a newer Kea may have written it", report.Printable(state))
	case err != nil:
		return r, err
	}
	if r.Action == line.Stop || lifetime == infinite {
		r.Until = line.Moment{}
	}
	if bad := r.Validate(); bad != nil {
		return r, errors.New(report.Reason(bad))
	}
	return r, nil
}

// pairs reports whether a text is pairs of hexadecimal digits with colons between, or nothing.
func pairs(text string) bool {
	for i := range len(text) {
		if c := text[i]; i%3 == 2 && c != ':' || i%3 != 2 && !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return false
		}
	}
	return len(text)%3 != 1 && (len(text) == 0 || len(text)%3 == 2)
}

// unescaped undoes Kea's way of writing a comma in a cell, which has no quotes: &#x and two hexadecimal digits.
func unescaped(cell string) string {
	var b strings.Builder
	for {
		i := strings.Index(cell, "&#x")
		if i < 0 || len(cell) < i+5 {
			break
		}
		c, err := strconv.ParseUint(cell[i+3:i+5], 16, 8)
		if err != nil {
			break
		}
		b.WriteString(cell[:i])
		b.WriteByte(byte(c))
		cell = cell[i+5:]
	}
	if b.Len() == 0 {
		return strings.Clone(cell)
	}
	return b.String() + cell
}

// leased is what is leased: an address, or a prefix that is delegated (lease type 2).
func leased(address, leaseType, length string) (netip.Prefix, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Prefix{}, errors.New("address is none")
	}
	if leaseType != "2" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 1 || n > a.BitLen() {
		return netip.Prefix{}, errors.New("prefix_len is no length of a prefix")
	}
	return netip.PrefixFrom(a, n).Masked(), nil
}

// who names the line.
func (f *Files) who(cell func(string) string) (string, error) {
	var name string
	switch f.Identity {
	case lease.Hardware, "":
		name = strings.ToLower(cell("hwaddr"))
	case lease.Client:
		name = strings.ToLower(cell("client_id") + cell("duid")) // a file has one of them
	case lease.Circuit, lease.Remote:
		circuit, remote := relay(cell("user_context"))
		if name = circuit; f.Identity == lease.Remote {
			name = remote
		}
	}
	if name == "" {
		return "", fmt.Errorf("the lease has no %s identity, which names the line: see whether Kea keeps it (store-extended-info)", cmp.Or(f.Identity, lease.Hardware))
	}
	return name, nil
}

// relay returns what a relay agent said of the port, in hexadecimal digits. Kea keeps it as it came (store-extended-info):
// for DHCPv4 the sub-options of RFC 3046, for DHCPv6 the options of each relay, of which the one next to the client counts.
func relay(context string) (circuit, remote string) {
	var c struct {
		ISC struct {
			Agent json.RawMessage `json:"relay-agent-info"`
			Info  []hop           `json:"relay-info"`
		} `json:"ISC"`
	}
	if context == "" || json.Unmarshal([]byte(context), &c) != nil {
		return "", ""
	}
	var old string // before Kea 2.3 a text, since then an object
	var now struct {
		SubOptions string `json:"sub-options"`
	}
	if json.Unmarshal(c.ISC.Agent, &old) != nil {
		_ = json.Unmarshal(c.ISC.Agent, &now)
		old = now.SubOptions
	}
	if b := digits(old); b != nil {
		return option(b, 1, 1), option(b, 1, 2) // RFC 3046 §2.0: circuit id, remote id
	}
	slices.SortFunc(c.ISC.Info, func(a, b hop) int { return cmp.Compare(a.Hop, b.Hop) })
	for _, h := range c.ISC.Info {
		b := digits(h.Options)
		circuit, remote = cmp.Or(circuit, option(b, 2, 18)), cmp.Or(remote, option(b, 2, 37)) // RFC 8415 §21.18, RFC 4649
	}
	return circuit, remote
}

// hop is one relay of DHCPv6. That next to the client has the hop count 0 (RFC 8415 §19.1.1).
type hop struct {
	Hop     int    `json:"hop"`
	Options string `json:"options"`
}

func digits(text string) []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// option finds an option whose code and length have width bytes each.
func option(b []byte, width int, code uint16) string {
	number := func(b []byte) uint16 {
		if width == 1 {
			return uint16(b[0])
		}
		return binary.BigEndian.Uint16(b)
	}
	for len(b) >= 2*width {
		c, n := number(b), int(number(b[width:]))
		if b = b[2*width:]; n > len(b) {
			return ""
		}
		if c == code {
			return hex.EncodeToString(b[:n])
		}
		b = b[n:]
	}
	return ""
}
