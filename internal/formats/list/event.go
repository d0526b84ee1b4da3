package list

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// builder makes events of the records of one document. Its event is overwritten by each record.
type builder struct {
	p        *plan
	received time.Time
	listed   time.Time // of the list as a whole, zero when it has none
	event    report.Event

	names  []string // that at was worked out for
	at     [][]int  // where in a record each of plan.columns is; a column of a group is after the record's own
	taken  []bool   // columns of the record that a member holds unchanged
	groups []string // values of plan.groups
	values []string // of the record
	lastAt string
	last   time.Time
}

func newBuilder(p *plan, doc report.Document, src source) *builder {
	b := &builder{p: p, received: doc.Received.UTC(), groups: make([]string, len(p.groups))}
	if p.clock.header != nil {
		if t, ok := p.clock.head(src.head()); ok {
			b.listed = t
		}
	}
	b.event.Format, b.event.Feed = Format, p.Name
	return b
}

// bind works out where the columns are that something refers to. Most lists have the same columns in every row.
func (b *builder) bind(names []string) {
	if b.at != nil && slices.Equal(b.names, names) {
		return
	}
	b.names = append(b.names[:0], names...)
	if b.at == nil {
		b.at = make([][]int, len(b.p.columns))
	}
	for i, want := range b.p.columns {
		b.at[i] = b.at[i][:0]
		star := strings.Contains(want, "*")
		for k, n := range names {
			if n == want || star && starred(want, n) {
				b.at[i] = append(b.at[i], k)
			}
		}
		if len(b.at[i]) == 0 { // headers change their case more often than their words
			for k, n := range names {
				if strings.EqualFold(n, want) {
					b.at[i] = append(b.at[i], k)
				}
			}
		}
		if k := slices.Index(b.p.groups, want); k >= 0 {
			b.at[i] = append(b.at[i][:0], len(names)+k)
		}
	}
	b.taken = make([]bool, len(names)+len(b.p.groups))
}

// starred matches hostnames.* to hostnames.0.
func starred(want, name string) bool {
	for {
		w, restWant, more := strings.Cut(want, ".")
		n, restName, moreName := strings.Cut(name, ".")
		if w != n && w != "*" || more != moreName {
			return false
		}
		if !more {
			return true
		}
		want, name = restWant, restName
	}
}

// value returns the value at a place of the record, "" where it has none.
func (b *builder) value(k int) string {
	v := ""
	if k < len(b.values) {
		v = strings.TrimSpace(b.values[k])
	} else if k -= len(b.names); k >= 0 {
		v = b.groups[k]
	}
	if v != "" && len(b.p.empty) > 0 && b.p.empty[v] {
		return ""
	}
	return v
}

// get returns the first value of a column and where it is.
func (b *builder) get(column int) (string, int) {
	for _, k := range b.at[column] {
		if v := b.value(k); v != "" {
			return v, k
		}
	}
	return "", -1
}

// field returns what fills a member, and the column that it is, -1 for a text put together or set.
func (b *builder) field(m member) (string, int) {
	for _, t := range b.p.refs[m] {
		if v, k := b.fill(t); v != "" {
			return v, k
		}
	}
	return b.p.set[m], -1
}

func (b *builder) fill(t template) (string, int) {
	if t.plain {
		v, k := b.get(t.parts[0].column)
		if k >= 0 && len(b.p.several) > 0 {
			if sep := b.separator(t.parts[0].column); sep != "" && strings.Contains(v, sep) {
				first, _, _ := strings.Cut(v, sep)
				return strings.TrimSpace(first), -1
			}
		}
		return v, k
	}
	var text strings.Builder
	for _, p := range t.parts {
		if p.column < 0 {
			text.WriteString(p.text)
			continue
		}
		v, _ := b.get(p.column)
		if v == "" {
			return "", -1
		}
		text.WriteString(v)
	}
	return text.String(), -1
}

func (b *builder) separator(column int) string { return b.p.several[b.p.columns[column]] }

// read makes a record the builder's event; false when the mapping leaves it out.
func (b *builder) read(rec *record) (kept bool, err error) {
	b.bind(rec.names)
	b.values = rec.values
	clear(b.taken)
	if err := b.extract(); err != nil {
		if b.leftOut() {
			return false, nil
		}
		return false, err
	}
	if b.leftOut() {
		return false, nil
	}
	e := &b.event
	*e = report.Event{Format: Format, Feed: b.p.Name, Tags: e.Tags[:0], Details: e.Details[:0]}
	if err := b.subject(); err != nil {
		return false, err
	}
	b.target()
	if err := b.time(); err != nil {
		return false, err
	}
	b.kind()
	if v, k := b.translated(mSeverity); v != "" {
		if s := report.Severity(lower(v)); s.Rank() > 0 {
			e.Severity = s
			b.held(k, string(s))
		}
	}
	b.details()
	return true, nil
}

// extract fills the columns that patterns make.
func (b *builder) extract() error {
	if len(b.p.extracts) == 0 {
		return nil
	}
	clear(b.groups)
	must, matched := false, false
	for i := range b.p.extracts {
		x := &b.p.extracts[i]
		must = must || x.must
		v, _ := b.get(x.column)
		if v == "" {
			continue
		}
		m := x.pattern.FindStringSubmatchIndex(v)
		if m == nil {
			continue
		}
		matched = matched || x.must
		for g, to := range x.groups {
			if to >= 0 && b.groups[to] == "" && m[2*g] >= 0 {
				b.groups[to] = strings.TrimSpace(v[m[2*g]:m[2*g+1]])
			}
		}
	}
	if must && !matched {
		return errForm
	}
	return nil
}

// leftOut reports whether the mapping leaves the record out.
func (b *builder) leftOut() bool {
	for _, c := range b.p.only {
		if v, _ := b.get(c.column); !c.words.has(v) {
			return true
		}
	}
	for _, c := range b.p.leaveOut {
		if v, k := b.get(c.column); k >= 0 && c.words.has(v) {
			return true
		}
	}
	return false
}

func (w *words) has(v string) bool {
	_, ok := w.find(v)
	return ok
}

// subject fills the subject. A row is refused when nothing of it can be read; a further member that cannot be read
// stays in details.
func (b *builder) subject() error {
	s := &b.event.Subject
	var why error
	if v, k := b.field(mSubject); v != "" {
		var err error
		if *s, err = whatever(v); err != nil {
			why = err
		} else {
			b.heldSubject(k, s)
		}
	}
	if v, k := b.field(mAddr); v != "" {
		if a, err := b.addr(v); err == nil {
			s.Addr = a
			b.heldAddr(k, a)
		} else if p, ok := network(v); ok && !b.fills(mPrefix) {
			setPrefix(s, p)
			b.heldSubject(k, s)
		} else {
			why = err
		}
	}
	if v, k := b.field(mPrefix); v != "" && !s.Addr.IsValid() {
		if p, ok := network(v); ok {
			setPrefix(s, p)
			b.heldSubject(k, s)
		} else if a, err := b.addr(v); err == nil {
			s.Addr = a
			b.heldAddr(k, a)
		} else {
			why = fmt.Errorf("%s is no network: write it like 198.51.100.0/24", short(v))
		}
	}
	b.names2(s, &why)
	if v, k := b.field(mPort); v != "" {
		if n, ok := number(v, 65535); ok && n > 0 {
			s.Port = uint16(n)
			b.heldNumber(k, n)
		}
	}
	if v, k := b.translated(mProto); v != "" {
		if l := lower(v); protoWord(l) {
			s.Proto = l
			b.held(k, l)
		}
	}
	if v, k := b.field(mASN); v != "" {
		if n, ok := asNumber(v); ok {
			s.ASN = n
			b.heldNumber(k, uint64(n))
		} else if why == nil {
			why = fmt.Errorf("%s is no AS number", short(v))
		}
	}
	if v, k := b.translated(mCC); v != "" {
		if c := country(v); c != "" {
			s.CC = c
			b.held(k, c)
		}
	}
	if s.Addr.IsValid() || s.Prefix.IsValid() || s.Domain != "" || s.URL != "" ||
		s.ASN != 0 && !b.fills(mAddr) && !b.fills(mPrefix) && !b.fills(mDomain) && !b.fills(mURL) {
		return nil
	}
	if why != nil {
		return why
	}
	return errNobody
}

const errNobody = badRecord("the row names no address, network, domain or URL")

// names2 fills domain and URL of the subject.
func (b *builder) names2(s *report.Subject, why *error) {
	if v, k := b.field(mDomain); v != "" {
		if d, ok := domain(v); ok {
			s.Domain = d
			b.held(k, d)
		} else if a, err := report.ParseAddr(refang(v)); err == nil {
			if !s.Addr.IsValid() && !s.Prefix.IsValid() { // a host given by its address
				s.Addr = a
				b.heldAddr(k, a)
			}
		} else {
			*why = fmt.Errorf("%s is not a domain name", short(v))
		}
	}
	if v, k := b.field(mURL); v != "" {
		if u, ok := address(v); ok {
			s.URL = u
			b.held(k, u)
			if !s.Addr.IsValid() && !s.Prefix.IsValid() {
				s.Addr, s.Port = literal(u)
			}
		} else {
			*why = fmt.Errorf("%s is no URL", short(v))
		}
	}
}

func (b *builder) fills(m member) bool { return b.p.refs[m] != nil }

func (b *builder) addr(v string) (netip.Addr, error) {
	if b.p.ZeroPadded {
		v = unpad(v)
	}
	return report.ParseAddr(refang(v))
}

func setPrefix(s *report.Subject, p netip.Prefix) {
	if p.IsSingleIP() {
		s.Addr = p.Addr()
		return
	}
	s.Prefix = p
}

// target fills the target; what cannot be read stays in details.
func (b *builder) target() {
	t := &b.event.Target
	if v, k := b.field(mTarget); v != "" {
		if s, err := whatever(v); err == nil && !s.Prefix.IsValid() && s.ASN == 0 {
			*t = report.Target{Addr: s.Addr, Port: s.Port, Domain: s.Domain, URL: s.URL}
			b.heldSubject(k, &s)
		}
	}
	if v, k := b.field(mTargetAddr); v != "" {
		if a, err := b.addr(v); err == nil {
			t.Addr = a
			b.heldAddr(k, a)
		}
	}
	if v, k := b.field(mTargetDomain); v != "" {
		if d, ok := domain(v); ok {
			t.Domain = d
			b.held(k, d)
		}
	}
	if v, k := b.field(mTargetURL); v != "" {
		if u, ok := address(v); ok {
			t.URL = u
			b.held(k, u)
		}
	}
	if v, k := b.translated(mTargetPort); v != "" {
		if n, ok := number(v, 65535); ok && n > 0 {
			t.Port = uint16(n)
			b.heldNumber(k, n)
		}
	}
}

// time fills from and to.
func (b *builder) time() error {
	e := &b.event
	v, k := b.field(mFrom)
	switch {
	case v != "":
		at, ok := b.at1(v)
		if !ok {
			return fmt.Errorf("%s is no time as this list writes them", short(v))
		}
		e.From = at
		b.take(k)
	case !b.listed.IsZero():
		e.From = b.listed
	case b.fills(mFrom) && b.p.Time.Missing != "received":
		return badRecord("the row has no time")
	default:
		e.From = b.received
	}
	if v, k := b.field(mTo); v != "" {
		if at, ok := b.at1(v); ok && at.After(e.From) {
			e.To = at
			b.take(k)
		}
	}
	return nil
}

func (b *builder) at1(v string) (time.Time, bool) {
	if v == b.lastAt {
		return b.last, true
	}
	at, ok := b.p.clock.time(v)
	if ok {
		b.lastAt, b.last = strings.Clone(v), at
	}
	return at, ok
}

// translated is field, with the value that the mapping's table has for it.
func (b *builder) translated(m member) (string, int) {
	v, k := b.field(m)
	if w := b.p.values[m]; w != nil && v != "" {
		if to, ok := w.find(v); ok {
			return to, -1
		}
	}
	return v, k
}

// kind fills type and tags: what the row's type translates to, then its tag columns, then those of every row.
func (b *builder) kind() {
	e := &b.event
	e.Kind = b.p.kind
	known := false
	for _, t := range b.p.refs[mType] {
		for v := range b.each(t) {
			if known {
				break
			}
			if w := b.p.values[mType]; w != nil {
				to, ok := w.find(v)
				if !ok {
					continue
				}
				typ, tags, _ := strings.Cut(to, " ")
				e.Kind, known = report.KindOf(typ), true
				for tag := range strings.FieldsSeq(tags) {
					b.tag(tag)
				}
			} else if k := report.KindOf(v); k != report.Undetermined || b.p.Type == "" {
				e.Kind, known = k, true
			}
		}
	}
	for _, t := range b.p.refs[mTag] {
		for v := range b.each(t) {
			if w := b.p.values[mTag]; w != nil {
				if to, ok := w.find(v); ok {
					v = to
				}
			}
			b.tag(tagWord(v))
		}
	}
	for _, t := range b.p.tags {
		b.tag(t)
	}
}

// each yields all values of a column, with the mapping's separator also those inside of one.
func (b *builder) each(t template) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if !t.plain {
			if v, _ := b.fill(t); v != "" {
				yield(v)
			}
			return
		}
		sep := b.separator(t.parts[0].column)
		for _, k := range b.at[t.parts[0].column] {
			v := b.value(k)
			if v == "" {
				continue
			}
			if sep == "" {
				if !yield(v) {
					return
				}
				continue
			}
			for one := range strings.SplitSeq(v, sep) {
				if one = strings.TrimSpace(one); one != "" && !yield(one) {
					return
				}
			}
		}
	}
}

func (b *builder) tag(t string) {
	e := &b.event
	if t == "" || len(t) > report.MaxTagBytes || len(e.Tags) >= report.MaxTags || slices.Contains(e.Tags, t) {
		return
	}
	e.Tags = append(e.Tags, t)
}

// held notes that a member holds the column's value unchanged, so that details need not.
func (b *builder) held(k int, v string) {
	if k >= 0 && b.value(k) == v {
		b.taken[k] = true
	}
}

func (b *builder) heldAddr(k int, a netip.Addr) {
	var text [64]byte
	if k >= 0 && b.value(k) == string(a.AppendTo(text[:0])) {
		b.taken[k] = true
	}
}

// heldSubject notes that the subject, which one value has filled, holds that value.
func (b *builder) heldSubject(k int, s *report.Subject) {
	switch {
	case s.URL != "":
		b.held(k, s.URL)
	case s.Addr.IsValid():
		b.heldAddr(k, s.Addr)
	default:
		b.held(k, s.String())
	}
	if s.Port != 0 && s.URL == "" { // the value says more than its first member
		b.release(k)
	}
}

func (b *builder) heldNumber(k int, n uint64) {
	if k >= 0 {
		if m, ok := number(b.value(k), n); ok && m == n && b.value(k)[0] != '0' {
			b.taken[k] = true
		}
	}
}

func (b *builder) take(k int) {
	if k >= 0 {
		b.taken[k] = true
	}
}

func (b *builder) release(k int) {
	if k >= 0 {
		b.taken[k] = false
	}
}

// details keeps every column that no member holds as it stands. What a pattern took out of a line stands for the line;
// of another column, the column itself is kept.
func (b *builder) details() {
	e := &b.event
	ofLine := len(b.p.extracts) > 0 && b.p.Shape == Lines
	for k, v := range b.values {
		if v == "" || k >= len(b.names) || b.taken[k] || ofLine && b.names[k] == lineColumn {
			continue
		}
		e.Details = append(e.Details, report.Detail{Name: b.names[k], Value: v})
	}
	if !ofLine {
		return
	}
	for i, g := range b.p.groups {
		if b.groups[i] != "" && !b.taken[len(b.names)+i] {
			e.Details = append(e.Details, report.Detail{Name: g, Value: b.groups[i]})
		}
	}
}
