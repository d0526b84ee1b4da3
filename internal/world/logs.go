package world

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// LogKind is what writes a log.
type LogKind string

// The kinds of logs.
const (
	LogTable  LogKind = "table"  // a CSV file of lines that have their addresses for good
	LogDetail LogKind = "detail" // accounting requests, as FreeRADIUS keeps them
	LogKea    LogKind = "kea"    // a lease file of Kea; the circuit id names the line
	LogNAT    LogKind = "nat"    // port blocks, as NFWare's NAT logs them by syslog
)

// Log is one file in which the ISP's own systems say who held what.
type Log struct {
	Name  string // of the source, fit for a config
	File  string
	Kind  LogKind
	Realm string    // of the inside addresses, where it has any
	Since time.Time // of a table: its rows hold since then

	write func(*bufio.Writer)
}

// WriteTo writes the file. It is made anew each time.
func (l Log) WriteTo(out io.Writer) (int64, error) {
	n := &counted{out: out}
	b := bufio.NewWriterSize(n, 1<<16)
	l.write(b)
	return n.n, b.Flush()
}

// counted counts what is written.
type counted struct {
	out io.Writer
	n   int64
}

// Write writes on.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.out.Write(b)
	c.n += int64(n)
	return n, err
}

// Logs returns all that says whose line an address was, as a node can be configured with it.
func (w *World) Logs() []Log {
	all := []Log{
		{Name: "assigned", File: "assigned.csv", Kind: LogTable, Since: w.size.Start.AddDate(0, 0, -30), write: w.writeAssigned},
		{Name: "dial-in", File: "detail", Kind: LogDetail, write: w.writeDetail},
	}
	for i, r := range regions {
		all = append(
			all,
			Log{Name: "leases-" + r.name, File: "kea-leases4-" + r.name + ".csv", Kind: LogKea, Realm: r.name, write: func(b *bufio.Writer) { w.writeLeases(b, uint8(i)) }},
			Log{Name: "nat-" + r.name, File: "nat-" + r.name + ".log", Kind: LogNAT, Realm: r.name, write: func(b *bufio.Writer) { w.writeBlocks(b, uint8(i)) }},
		)
	}
	return slices.DeleteFunc(all, func(l Log) bool { return w.silent(&l) })
}

// silent reports whether a log of a small world would say nothing.
func (w *World) silent(l *Log) bool {
	return !slices.ContainsFunc(w.lines, func(x Line) bool {
		switch l.Kind {
		case LogTable:
			return x.Access != Dynamic
		case LogDetail:
			return x.Access == Dynamic
		}
		return x.Access == Shared && regions[x.Region].name == l.Realm
	})
}

// writeAssigned writes the table of what lines have for good: IPv4 of business lines, and the prefixes of all but those
// that dial in.
func (w *World) writeAssigned(b *bufio.Writer) {
	c := csv.NewWriter(b) // its errors are the buffer's, which Flush returns
	_ = c.Write([]string{"prefix", "line"})
	for i := range w.lines {
		l := &w.lines[i]
		if l.Access == Static {
			_ = c.Write([]string{l.Addr.String(), l.Name})
		}
		if l.Access != Dynamic {
			_ = c.Write([]string{l.Prefix.String(), l.Name})
		}
	}
	c.Flush()
}

// accessServer is the NAS-IP-Address of the access server.
var accessServer = plus(staticPool.Addr(), 1)

// request is one accounting request on its way into the file.
type request struct {
	at   int64
	dial int32 // -1: the server itself
	kind string
}

// writeDetail writes what the access server said, as rlm_detail keeps it.
func (w *World) writeDetail(b *bufio.Writer) {
	a := w.access
	all := []request{{a.restart, -1, "Accounting-On"}}
	for i := range a.dials {
		d, n := &a.dials[i], int32(i)
		all = append(all, request{d.was.from, n, "Start"})
		for at := d.was.from + interim; at < min(d.was.to, a.end); at += interim {
			all = append(all, request{at, n, "Interim-Update"})
		}
		switch {
		case d.told:
			all = append(all, request{d.was.to, n, "Stop"})
		case d.was.to == never:
			all = append(all, request{a.end, n, "Interim-Update"})
		}
	}
	slices.SortStableFunc(all, func(x, y request) int { return cmp.Compare(x.at, y.at) })
	for _, q := range all {
		fmt.Fprintf(b, "%s\n\tNAS-IP-Address = %s\n\tAcct-Status-Type = %s\n", time.Unix(q.at, 0).UTC().Format("Mon Jan _2 15:04:05 2006"), accessServer, q.kind)
		if q.dial >= 0 {
			d := &a.dials[q.dial]
			fmt.Fprintf(b, "\tAcct-Session-Id = \"%08X\"\n\tUser-Name = \"%s\"\n\tFramed-IP-Address = %s\n\tDelegated-IPv6-Prefix = %s\n",
				q.dial+1, w.lines[d.line].Name, d.addr, d.prefix)
			if q.kind != "Start" {
				fmt.Fprintf(b, "\tAcct-Session-Time = %d\n", q.at-d.was.from)
			}
		}
		fmt.Fprintf(b, "\tTimestamp = %d\n\n", q.at)
	}
}

// Of the leases.
const (
	leaseTime = 30 * day
	renewTime = leaseTime / 2 // RFC 2131 §4.4.5
)

// grant is one row of a lease file.
type grant struct {
	at    int64
	lease int32
	state string // 0 assigned, 3 released
}

// writeLeases writes the lease file of a region: a row whenever a lease is given, renewed or given back.
func (w *World) writeLeases(b *bufio.Writer, number uint8) {
	a := w.access
	var all []grant
	last := int32(-1)
	for i := range a.leases {
		l := &a.leases[i]
		if w.lines[l.line].Region != number {
			continue
		}
		all = append(all, grant{l.was.from, int32(i), "0"})
		for at := l.was.from + renewTime; at < min(l.was.to, a.end); at += renewTime {
			all = append(all, grant{at, int32(i), "0"})
		}
		if l.was.to < never {
			all = append(all, grant{l.was.to, int32(i), "3"})
		} else {
			last = int32(i)
		}
	}
	if last >= 0 { // the file reaches to its end
		all = append(all, grant{a.end, last, "0"})
	}
	slices.SortStableFunc(all, func(x, y grant) int { return cmp.Compare(x.at, y.at) })
	_, _ = b.WriteString("address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n")
	for _, g := range all {
		l := &a.leases[g.lease]
		circuit := w.lines[l.line].Name
		fmt.Fprintf(b, `%s,00:00:5e:00:53:%02x,,%d,%d,1,0,0,,%s,{ "ISC": { "relay-agent-info": { "sub-options": "0x01%02x%s" } } },0`+"\n",
			plus(insidePool.Addr(), uint64(l.inside)), l.line&0xff, leaseTime, g.at+leaseTime, g.state, hex.DecodedLen(len(circuit)), circuit)
	}
}

// let is that a NAT gave a block, or took it back.
type let struct {
	at    int64
	block int32
	word  string
}

// writeBlocks writes what the NAT of a region logged (RFC 5424).
func (w *World) writeBlocks(b *bufio.Writer, number uint8) {
	a := w.access
	var all []let
	for i := range a.blocks {
		x := &a.blocks[i]
		if w.lines[x.line].Region != number {
			continue
		}
		all = append(all, let{x.was.from, int32(i), "A"})
		if x.was.to < never {
			all = append(all, let{x.was.to, int32(i), "D"})
		}
	}
	slices.SortStableFunc(all, func(x, y let) int { return cmp.Compare(x.at, y.at) })
	line := make([]byte, 0, 200)
	for _, e := range all {
		x := &a.blocks[e.block]
		outside, first, last := a.outside(x.slot)
		line = append(line[:0], "<134>1 "...)
		line = time.Unix(e.at, 0).UTC().AppendFormat(line, time.RFC3339)
		line = append(line, " nat-"+regions[number].name+" cgnat - - - "+e.word+" VRF 0 INT "...)
		line = plus(insidePool.Addr(), uint64(x.inside)).AppendTo(line)
		line = append(line, " EXT "...)
		line = append(outside.AppendTo(line), ':')
		line = append(strconv.AppendUint(line, uint64(first), 10), '-')
		line = append(strconv.AppendUint(line, uint64(last), 10), '\n')
		_, _ = b.Write(line) // its error is Flush's too
	}
}
