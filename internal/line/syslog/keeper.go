package syslog

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/line"
	"tocsin/internal/line/nat"
)

const (
	gather  = 5 * time.Millisecond // so long a batch waits for company
	batch   = 4000                 // records kept together
	again   = time.Second          // between two attempts to keep a batch
	crowded = time.Second          // as gather, while messages are being lost: each gap costs as much as all that is open
	flood   = 50_000               // as batch, likewise

	ahead   = time.Hour          // of us a device's clock may be; what it says is of no use else
	late    = 7 * 24 * time.Hour // a message may come, from a relay that was cut off
	reorder = 15 * 60            // seconds by which messages of a device may come in another order
	window  = 1000               // numbers by which they may
)

// why messages may be missing.
type why uint8

const (
	started why = iota // this node was down
	thrown             // the kernel threw datagrams away
	skipped            // a sender's numbers have a hole
	broken             // a connection ended
	unread             // a message could not be read
	jumped             // a clock did
)

var whys = [...]string{"start", "kernel", "sequence", "connection", "unread", "clock"}

// keeper keeps records, and knows since when records of each device may be missing. It is one goroutine's.
type keeper struct {
	s       *Server
	gaps    *prometheus.CounterVec
	devices map[string]*device
	losing  bool // messages were lost in the last batch
	warned  bool // that a device may give one port to several at a time
	out     []line.Record
	fates   [fates]int
}

// device is what is known of who sends.
type device struct {
	name     string
	peers    []netip.Addr // that it sends through
	udp      bool
	last     int64             // latest message, by its clock; line.Ever: none
	since    int64             // from here on records may be missing, where pending
	pending  bool              // the next record of it has that said before it
	fresh    bool              // and nothing was said of it yet
	sequence map[string]uint32 // last number, by program
	clock    line.Clock
}

func newKeeper(s *Server, heard map[string]int64) *keeper {
	k := &keeper{s: s, devices: map[string]*device{}, gaps: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tocsin_line_syslog_gaps_total",
		Help: "Times that messages of a device may be missing, by what shows it: start (this node was down), kernel, sequence, connection, unread, clock.",
	}, []string{"why"})}
	for name, at := range heard {
		if at > line.Ever {
			d := k.device(name)
			d.last = at
			k.miss(d, at, started)
		}
	}
	return k
}

func (k *keeper) device(name string) *device {
	d := k.devices[name]
	if d == nil {
		d = &device{name: name, last: line.Ever, clock: line.NewClock()}
		k.devices[name] = d
	}
	return d
}

// miss notes that records of a device may be missing from a moment on.
func (k *keeper) miss(d *device, since int64, w why) {
	if d.last == line.Ever {
		return // nothing of it is known that could be wrong
	}
	k.gaps.WithLabelValues(whys[w]).Inc()
	k.losing = k.losing || w == thrown
	if d.pending {
		since = min(since, d.since)
	}
	d.pending, d.fresh, d.since = true, true, since
}

// run keeps what comes until the queue is closed.
func (k *keeper) run(ctx context.Context, queue <-chan *parcel) {
	k.say()
	k.store(ctx)
	for first := range queue {
		all := []*parcel{first}
		wait, enough, n := gather, batch, len(first.items)
		if k.losing {
			wait, enough = crowded, flood
		}
		k.losing = false
		timer := time.NewTimer(wait)
	more:
		for n < enough {
			select {
			case p, ok := <-queue:
				if !ok {
					break more
				}
				all = append(all, p)
				n += len(p.items)
			case <-timer.C:
				break more
			}
		}
		timer.Stop()
		k.numbers(all)
		for _, p := range all {
			k.take(p)
		}
		k.say()
		k.store(ctx)
	}
}

// store makes records durable. Nobody sends them again, so it tries until it must stop; meanwhile senders over TCP wait,
// and what the kernel throws away it counts. What was not kept at the end lies in the gap that the next start tells.
func (k *keeper) store(ctx context.Context) {
	for len(k.out) > 0 {
		err := k.s.sink(context.WithoutCancel(ctx), k.out)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			k.s.log.Error("messages of NAT devices could not be kept: the time from the last that was is a gap", "error", err)
			k.fates[failed] += k.fates[kept]
			k.fates[kept] = 0
			break
		}
		k.s.log.Error("messages of NAT devices could not be kept, which is tried again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	for f, n := range k.fates {
		if n > 0 {
			k.s.messages.WithLabelValues(fateNames[f]).Add(float64(n))
		}
	}
	k.fates = [fates]int{}
	clear(k.out)
	if k.out = k.out[:0]; cap(k.out) > flood {
		k.out = nil
	}
}

// say has said what is newly known to be missing: as far as now, and once more with the device's next record.
func (k *keeper) say() {
	for _, d := range k.devices {
		if d.fresh {
			d.fresh = false
			k.missing(d, k.s.now().Unix())
		}
	}
}

func (k *keeper) missing(d *device, until int64) {
	k.out = append(k.out, line.Record{
		Action: line.Missing, NAS: d.name, Since: line.Moment{Earliest: d.since, Latest: d.since},
		At: line.Moment{Earliest: max(until, d.since), Latest: max(until, d.since)},
	})
}

// numbers looks for holes in the numbers that senders gave their messages. Within a batch they may be in another order.
func (k *keeper) numbers(all []*parcel) {
	type sender struct{ device, app string }
	var seen map[sender][]uint32
	for _, p := range all {
		for i := range p.items {
			if it := &p.items[i]; it.sequence != 0 {
				if seen == nil {
					seen = map[sender][]uint32{}
				}
				on := sender{it.device, it.app}
				seen[on] = append(seen[on], it.sequence)
			}
		}
	}
	for on, ids := range seen {
		d := k.device(on.device)
		if d.sequence == nil || len(d.sequence) > maxNames {
			d.sequence = map[string]uint32{}
		}
		last, whole := follow(d.sequence[on.app], ids)
		if d.sequence[on.app] = last; !whole {
			k.miss(d, d.last, skipped)
		}
	}
}

// follow says which number is the last now, and whether none is missing. They begin at 1 again behind the greatest, and
// when the sender is started again (RFC 5424 §7.3.1): then nobody knows what it had sent last.
func follow(last uint32, ids []uint32) (now uint32, whole bool) {
	slices.Sort(ids)
	whole = true
	if n := len(ids); last > 1<<31-1-window && n > 0 && ids[0] < window { // around the end
		split, _ := slices.BinarySearch(ids, window)
		ids = append(slices.Clone(ids[split:]), ids[:split]...)
	}
	for _, id := range ids {
		switch {
		case last == 0, id == last+1, last == 1<<31-1 && id == 1:
		case id > last:
			whole = false
		case last-id < window:
			continue // again, or late
		default:
			whole = false
		}
		last = id
	}
	return last, whole
}

func (k *keeper) take(p *parcel) {
	from := 0
	for i := range p.items {
		it := &p.items[i]
		records := p.records[from:it.to]
		from = it.to
		if !it.lost.IsZero() {
			k.lost(it)
		}
		if it.fate == stranger {
			k.fates[stranger]++
			continue
		}
		if it.fate == fates { // a device of a connection that ended
			d := k.device(it.device)
			k.miss(d, d.last, broken)
			continue
		}
		if it.fate == kept {
			it.fate = k.record(p, it, records)
		}
		if it.torn {
			k.torn(it)
		}
		if it.fate == overloads && !k.warned { // once: there is one a connection
			k.warned = true
			k.s.log.Warn("messages of a NAT device are refused", "reason", nat.ErrOverloads.Error())
		}
		k.fates[it.fate]++
	}
}

// lost notes that the kernel threw datagrams away before one came: of whom, nobody knows.
func (k *keeper) lost(it *item) {
	for _, d := range k.devices {
		if d.udp {
			behind := d.clock.Least()
			if behind == line.Never {
				behind = 0
			}
			k.miss(d, max(d.last, it.lost.Unix()-max(behind, 0)-precise), thrown)
		}
	}
}

// torn notes that a message of a device could not be read, or of all that send through the address where it does not say.
func (k *keeper) torn(it *item) {
	if it.fate != malformed && it.fate != long {
		d := k.device(it.device)
		k.miss(d, d.last, unread)
		return
	}
	for _, d := range k.devices {
		if slices.Contains(d.peers, it.peer) || d.name == it.device {
			k.miss(d, d.last, unread)
		}
	}
}

const maxPeers = 64 // of a device

// record takes the records of a message.
func (k *keeper) record(p *parcel, it *item, records []line.Record) fate {
	d := k.devices[it.device]
	if d == nil {
		if len(k.devices) >= maxNames {
			return damaged
		}
		d = k.device(it.device)
	}
	if d.udp = d.udp || p.udp; !slices.Contains(d.peers, it.peer) && len(d.peers) < maxPeers {
		d.peers = append(d.peers, it.peer)
	}
	received := it.received.Unix()
	for i := range records {
		if at := records[i].At; at.Earliest > it.received.Add(ahead).Unix() || at.Latest < it.received.Add(-late).Unix() {
			k.miss(d, d.last, jumped)
			return clock
		}
	}
	for i := range records {
		r := &records[i]
		at := r.At
		if at.Earliest == at.Latest { // else it says little of the clock
			r.Received = it.received
			// The source learns of all its devices' clocks from the quickest of them. By what this one is behind, or
			// its messages are under way, it may have been later.
			if behind := d.clock.Took(received, received-at.Latest); behind > line.Prompt {
				r.At.Latest += behind
			}
		}
		switch {
		case d.last != line.Ever && at.Earliest < d.last-reorder: // its clock was put back
			k.gaps.WithLabelValues(whys[jumped]).Inc()
			if d.pending {
				d.since = min(d.since, at.Earliest)
			} else {
				d.since = at.Earliest
			}
			k.missing(d, max(d.last, r.At.Latest))
			d.pending, d.fresh, d.last = false, false, at.Earliest
		case d.pending:
			k.missing(d, r.At.Latest)
			d.pending, d.fresh = false, false
		}
		d.last = max(d.last, at.Earliest)
		k.out = append(k.out, *r)
	}
	return kept
}
