package world

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// place is where a problem is at home.
type place uint8

const (
	anyHome    place = iota // residential lines
	anyOffice               // business lines
	ownAddress              // lines with an IPv4 address of their own, for good or for some days
	ownServer               // our servers
)

// outlet is one way in which a problem comes to be reported.
type outlet struct {
	name   string  // a report type of Shadowserver, a kind of XARF document, or arf
	perDay float64 // sightings on a day on which the feed sees it at all
}

// trouble is one kind of problem.
type trouble struct {
	name      string
	where     place
	perMille  float64  // of the lines of that place, over the whole time
	things    []string // what it is called
	elsewhere bool     // partners and others have it too
	outlets   []outlet
}

// troubles is what goes wrong in this world. A scan finds what listens, so IPv4 scans find only those with an
// address of their own; connections that a device makes itself are seen through the CGNAT with their port.
var troubles = []trouble{
	{"mirai", anyHome, 20, []string{"mirai", "mirai", "mozi"}, true, []outlet{
		{"event4_sinkhole", 11}, {"event4_honeypot_brute_force", 2}, {"login_attack", .02}, {"port_scan", .01}, {"ddos", .005},
	}},
	{"android", anyHome, 36, []string{"android.badbox2", "android.vo1d", "android.hummer"}, true, []outlet{
		{"event4_sinkhole_http", 7}, {"event6_sinkhole", 6},
	}},
	{"windows", anyHome, 8, []string{"qakbot", "gamarue", "ramnit"}, true, []outlet{
		{"event4_sinkhole", 7}, {"botnet", .02},
	}},
	{"proxyware", anyOffice, 8, []string{"socks5systemz"}, true, []outlet{{"event4_sinkhole", 4}}},
	{"bruteforce", anyHome, 5, []string{"ssh"}, true, []outlet{{"event4_honeypot_brute_force", 9}, {"login_attack", .04}}},
	{"spam", anyHome, 4, []string{"spam"}, false, []outlet{{"blocklist", 1}, {"arf", .16}, {"arf-noport", .08}, {"spam", .1}}},
	{"implant", anyHome, 3, nil, false, []outlet{{"compromised_iot6", 1}}},
	{"open-dns", anyHome, 8, nil, false, []outlet{{"scan6_dns", 1}}},
	{"open-cwmp", anyHome, 12, nil, false, []outlet{{"scan6_cwmp", 1}}},
	{"open-http", anyHome, 10, nil, false, []outlet{{"scan6_http", 1}}},
	{"open-snmp", anyOffice, 30, nil, false, []outlet{{"scan6_snmp", 1}}},
	{"open-telnet", ownAddress, 160, nil, false, []outlet{{"scan_telnet", 1}}},
	{"open-rdp", ownAddress, 140, nil, true, []outlet{{"scan_rdp", 1}}},
	{"open-resolver", ownAddress, 180, nil, false, []outlet{{"scan_dns", 1}, {"open_service", .1}}},
	{"open-ssdp", ownAddress, 120, nil, false, []outlet{{"scan_ssdp", 1}}},
	{"open-snmp-static", ownAddress, 150, nil, false, []outlet{{"scan_snmp", 1}}},
	{"hacked-site", ownAddress, 80, []string{"phishing"}, true, []outlet{{"compromised_website", 1}, {"phishing", .3}, {"malware_url", .4}}},
	{"own-ntp", ownServer, 300, nil, false, []outlet{{"scan_ntp", 1}}},
}

// spell is one stretch of time during which a problem is there, in Unix seconds, half-open.
type spell struct{ from, to int64 }

// problem is one device with one kind of trouble.
type problem struct {
	site    int32
	kind    uint8 // index of troubles
	roaming bool  // its IPv6 address changes every day (RFC 8981)
	thing   string
	device  uint64
	spells  []spell
	told    bool // the CSIRT forwards what is known about it
}

const day = 86400

// makeProblems decides which device has what, and when.
func (w *World) makeProblems() {
	for k := range troubles {
		t := &troubles[k]
		r := w.random("trouble "+t.name, 0)
		homes := w.homes(t.where)
		if len(homes) == 0 {
			continue
		}
		n := min(max(int(math.Round(float64(len(homes))*t.perMille/1000)), 2), len(homes))
		order := r.Perm(len(homes))
		if t.where == ownAddress && t.things == nil { // whoever always has it is also a line whose address changes
			if i := slices.IndexFunc(order, func(i int) bool { return w.lines[homes[i].line].Access == Dynamic }); i > 0 {
				order[0], order[i] = order[i], order[0]
			}
		}
		for _, i := range order[:n] {
			w.addProblem(k, homes[i], r)
		}
		w.problems[len(w.problems)-n].spells = []spell{{w.day(0).Unix(), w.day(w.size.Days).Unix()}} // somebody always has it
		if !t.elsewhere {
			continue
		}
		for range max(n/2, 4) {
			w.addProblem(k, w.foreignSite(r), r)
		}
	}
}

func (w *World) addProblem(kind int, s site, r *rand.Rand) {
	t := &troubles[kind]
	p := problem{
		site: int32(len(w.sites)), kind: uint8(kind), device: r.Uint64(),
		roaming: t.where == anyHome && r.IntN(4) == 0,
		told:    s.net.Role != RoleOwn || r.IntN(4) == 0,
	}
	if len(t.things) > 0 {
		p.thing = t.things[r.IntN(len(t.things))]
	}
	p.spells = w.life(r)
	w.sites = append(w.sites, s)
	w.problems = append(w.problems, p)
}

// life draws when a problem is there. Some are old when the reports begin, some never end; of those that are
// cleaned some come back.
func (w *World) life(r *rand.Rand) []spell {
	days := w.size.Days
	start := w.size.Start.Unix()
	end := start + int64(days)*day
	from := start + int64((r.Float64()*float64(days+14)-14)*day)
	var all []spell
	for from < end {
		length := int64(r.ExpFloat64()*4*day) + day/2
		if r.IntN(10) < 2 {
			length = end - from + day // stays
		}
		if from+length > start {
			all = append(all, spell{max(from, start), min(from+length, end)})
		}
		if r.IntN(3) != 0 { // two in three are cleaned for good
			break
		}
		from += length + int64(r.Float64()*9*day) + 2*day
	}
	return all
}

// homes returns the sites where a kind of trouble may live.
func (w *World) homes(where place) []site {
	var all []site
	if where == ownServer {
		for i := range 4 {
			v4 := plus(staticPool.Addr(), uint64(2+i))
			all = append(all, site{
				net: &w.nets.Own, line: -1, v4: v4, v6: ownSpace,
				host: fmt.Sprintf("ntp%d.examplenet.example", i+1),
			})
		}
		return all
	}
	for i, l := range w.lines {
		switch where {
		case anyHome:
			if l.Class != Residential {
				continue
			}
		case anyOffice:
			if l.Class != Business {
				continue
			}
		case ownAddress, ownServer:
			if l.Access == Shared {
				continue
			}
		}
		all = append(all, w.lineSite(i))
	}
	return all
}

// foreignSite draws a place outside our own network: two in three at a partner, a few where no table knows the
// holder.
func (w *World) foreignSite(r *rand.Rand) site {
	pool := w.nets.Others[1:]
	if r.IntN(3) > 0 {
		pool = w.nets.Partners[:4]
	}
	n := &pool[r.IntN(len(pool))]
	s := site{net: n, line: -1, town: r.IntN(len(towns))}
	v4 := n.Prefixes[slices.IndexFunc(n.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() })]
	s.v4 = plus(v4.Addr(), r.Uint64N(1<<(32-v4.Bits())))
	v6 := n.Prefixes[0]
	if r.IntN(12) == 0 {
		v6 = nobody
	}
	s.v6 = netip.PrefixFrom(plus(v6.Addr(), 0), 56)
	a := s.v6.Addr().As16()
	a[5], a[6] = byte(r.IntN(256)), byte(r.IntN(256))
	s.v6 = netip.PrefixFrom(netip.AddrFrom16(a), 56)
	b := s.v4.As4()
	s.host = fmt.Sprintf("host-%d-%d-%d-%d.%s", b[0], b[1], b[2], b[3], n.Domain)
	s.urlHost = fmt.Sprintf("www%d.%s", r.IntN(1000), n.Domain)
	return s
}

// v6Addr is the device's IPv6 address on a day: RFC 7217 gives it a stable one, RFC 8981 a new one a day.
func (p *problem) v6Addr(home netip.Prefix, at int64) netip.Addr {
	x := p.device
	if p.roaming {
		x += uint64(at / day)
	}
	a := home.Addr().As16()
	a[7] |= byte(p.device>>8) & 3 // one of the first /64s of the line
	for i, v := 8, mix(x); i < 16; i, v = i+1, v>>8 {
		a[i] = byte(v)
	}
	return netip.AddrFrom16(a)
}
