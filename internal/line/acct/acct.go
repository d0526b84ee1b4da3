// Package acct makes records of RADIUS accounting (RFC 2866), however its attributes came: in a packet or in a file.
package acct

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/line"
)

// Attributes are those of one accounting request, by the names of FreeRADIUS's dictionaries, in the order in which they
// came. Values are as text: numbers in digits, addresses as usual.
type Attributes map[string][]string

// Get returns the first value of an attribute, "" where there is none.
func (a Attributes) Get(name string) string {
	if v := a[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Identity is which attribute names the line: the first of them that a request has. Empty: User-Name.
type Identity []string

// Attributes that may name a line.
var identities = []string{
	"User-Name", "Calling-Station-Id", "NAS-Port-Id", "Class", "Chargeable-User-Identity", "ADSL-Agent-Circuit-Id", "ADSL-Agent-Remote-Id",
}

// Validate says which name is none.
func (i Identity) Validate() error {
	for _, name := range i {
		if !slices.Contains(identities, name) {
			return fmt.Errorf("%q cannot name a line: write one of %s", name, strings.Join(identities, ", "))
		}
	}
	return nil
}

func (i Identity) of(a Attributes) string {
	if len(i) == 0 {
		return a.Get("User-Name")
	}
	for _, name := range i {
		if v := a.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// ErrOther says that a request is none that tells of sessions: an authentication, or a status that is somebody's own.
var ErrOther = errors.New("the request tells of no session")

// status is what Acct-Status-Type says (RFC 2866 §5.1), by name and by number.
var status = map[string]line.Action{
	"Start": line.Start, "1": line.Start, "Stop": line.Stop, "2": line.Stop, "Interim-Update": line.Alive, "Alive": line.Alive, "3": line.Alive,
	"Accounting-On": line.Reset, "7": line.Reset, "Accounting-Off": line.Reset, "8": line.Reset,
}

// single are attributes of which a request has one at most, and of which each that is used has one.
var single = []string{
	"Acct-Status-Type", "Acct-Session-Id", "User-Name", "NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier", "Acct-Session-Time", "Acct-Delay-Time",
	"Event-Timestamp", "Framed-IP-Address", "Timestamp", "Acct-Unique-Session-Id",
}

// Records makes records of a request that the server received at a moment: one for each address or prefix that the
// session holds. None is no error: the session has no address yet. An error is one sentence that names no subscriber.
func Records(a Attributes, who Identity, received line.Moment) ([]line.Record, error) {
	for _, name := range single {
		if len(a[name]) > 1 {
			return nil, fmt.Errorf("%s occurs twice (RFC 2866 §5.13): it is made of two requests", name)
		}
	}
	action, ok := status[a.Get("Acct-Status-Type")]
	if !ok {
		return nil, ErrOther
	}
	delay, err := seconds(a, "Acct-Delay-Time") // RFC 2866 §5.2: for so long the NAS has tried to send it
	if err != nil {
		return nil, err
	}
	base := line.Record{
		Action: action, NAS: nas(a), Session: cmp.Or(a.Get("Acct-Session-Id"), a.Get("Acct-Unique-Session-Id")),
		At: line.Moment{Earliest: received.Earliest - delay, Latest: received.Latest - delay},
	}
	if base.NAS == "" {
		return nil, errors.New("NAS-IP-Address, NAS-IPv6-Address and NAS-Identifier are missing: nobody knows which device says it")
	}
	if action == line.Reset {
		return one(base)
	}
	if base.Session == "" {
		return nil, errors.New("Acct-Session-Id is missing (RFC 2866 §5.5)")
	}
	if base.Held.Line = who.of(a); base.Held.Line == "" {
		if a.Get("NFWare-vCGNAT-Inside-Addr") != "" { // it holds ports behind a NAT, and its numbers mean nothing without the dictionary
			return nil, errors.New("the request is of a NAT: have it log by syslog, and read that as lines.syslog or lines.nat")
		}
		return nil, errors.New("no attribute names the line: say in the config which one does")
	}
	lasted, err := seconds(a, "Acct-Session-Time")
	if err != nil {
		return nil, err
	}
	if action != line.Start && a.Get("Acct-Session-Time") != "" {
		// An address may have come to the session after its start, so the start is no more than a bound.
		base.Since = line.Moment{Earliest: base.At.Earliest - lasted - 1, Latest: base.At.Latest}
	}
	prefixes, err := prefixes(a)
	if err != nil {
		return nil, err
	}
	if len(prefixes) == 0 {
		if action == line.Stop { // of all that it had
			base.Since = line.Moment{}
			return one(base)
		}
		return nil, nil
	}
	all := make([]line.Record, len(prefixes))
	for i, p := range prefixes {
		all[i] = base
		all[i].Range = line.Whole(p)
		if err := all[i].Validate(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func one(r line.Record) ([]line.Record, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return []line.Record{r}, nil
}

// nas names the device. Its address goes first, as every request of it has that, Accounting-On too.
func nas(a Attributes) string {
	for _, name := range [...]string{"NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier"} {
		if v := a.Get(name); v != "" {
			return v
		}
	}
	return ""
}

const maxSeconds = 10 * 365 * 24 * 3600

func seconds(a Attributes, name string) (int64, error) {
	v := a.Get(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > maxSeconds {
		return 0, fmt.Errorf("%s is no number of seconds", name)
	}
	return n, nil
}

// prefixes are what the session holds. An address that says "choose yourself" is none (RFC 2865 §5.8).
func prefixes(a Attributes) (all []netip.Prefix, err error) {
	add := func(name, v string, whole bool) {
		p, bad := prefix(v, whole)
		if bad != nil && err == nil {
			err = fmt.Errorf("%s %w", name, bad)
		}
		if bad != nil || !p.IsValid() {
			return
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for _, name := range [...]string{"Framed-IP-Address", "Framed-IPv6-Address"} { // RFC 2865 §5.8, RFC 6911 §3.1
		for _, v := range a[name] {
			add(name, v, true)
		}
	}
	for _, name := range [...]string{"Framed-IPv6-Prefix", "Delegated-IPv6-Prefix"} { // RFC 3162 §2.3, RFC 4818
		for _, v := range a[name] {
			add(name, v, false)
		}
	}
	for _, name := range [...]string{"Framed-Route", "Framed-IPv6-Route"} { // RFC 2865 §5.22, RFC 3162 §2.5
		for _, v := range a[name] {
			first, _, _ := strings.Cut(strings.TrimSpace(v), " ")
			add(name, first, !strings.Contains(first, "/"))
		}
	}
	return all, err
}

func prefix(v string, whole bool) (netip.Prefix, error) {
	if whole {
		addr, err := netip.ParseAddr(v)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errors.New("is no address")
		}
		addr = addr.Unmap()
		switch addr {
		case netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255}), netip.AddrFrom4([4]byte{255, 255, 255, 254}):
			return netip.Prefix{}, nil
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(v)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("is no network")
	}
	if p.Bits() == 0 {
		return netip.Prefix{}, errors.New("is the whole Internet")
	}
	return p.Masked(), nil
}

// Received is the moment at which a server says that it received a request, in seconds of Unix time.
func Received(unix string) (line.Moment, error) {
	n, err := strconv.ParseInt(unix, 10, 64)
	if err != nil || n < 0 || n > time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).Unix() {
		return line.Moment{}, errors.New("its Timestamp is no time in seconds")
	}
	return line.Moment{Earliest: n, Latest: n}, nil
}
