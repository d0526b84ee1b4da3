package storetest

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/access"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

func hash(n byte) access.Hash { return access.Hash{n, 1, 2, 3} }

// somebody adds a person.
func somebody(t *testing.T, a *store.Access, login string, state access.PersonState, roles ...access.Role) *access.Person {
	t.Helper()
	p := &access.Person{
		ID: report.NewID(Start), Login: login, Name: "N " + login, Party: access.Own, Roles: roles, State: state, Zone: "Europe/Warsaw", Created: Start,
	}
	if err := a.AddPerson(t.Context(), p, access.Identity{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func wants(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// people: parties and people, and that an admin is left whatever two do at once.
func people(t *testing.T, db *store.DB) {
	a := db.Access()
	ctx := t.Context()
	wants(t, "a party", a.AddParty(ctx, &access.Party{ID: "abc", Name: "Police", Kind: access.PoliceParty}), nil)
	wants(t, "a party twice", a.AddParty(ctx, &access.Party{ID: "abc", Name: "Other", Kind: access.CSIRTParty}), access.ErrPartyIs)
	wants(t, "a name", a.RenameParty(ctx, access.Own, "Us"), nil)
	wants(t, "a name of nobody", a.RenameParty(ctx, "none", "Us"), access.ErrNoParty)
	parties, err := a.Parties(ctx)
	if diff := gocmp.Diff([]access.Party{{ID: access.Own, Name: "Us", Kind: access.OwnParty}, {ID: "abc", Name: "Police", Kind: access.PoliceParty}}, parties); diff != "" || err != nil {
		t.Error(err, diff)
	}

	ann := somebody(t, a, "ann", access.Active, access.Desk, access.Admin)
	ben := somebody(t, a, "ben", access.Active, access.Admin)
	cat := *somebody(t, a, "cat", access.Invited)
	for got, err := range map[*access.Person]error{ann: nil, ben: nil} {
		p, e := a.Person(ctx, got.ID)
		if diff := gocmp.Diff(*got, p); diff != "" || !errors.Is(e, err) {
			t.Error(e, diff)
		}
	}
	again := cat
	again.ID = report.NewID(Start)
	wants(t, "a login twice", a.AddPerson(ctx, &again, access.Identity{}), access.ErrTaken)
	again.Login, again.Party = "dan", "none"
	wants(t, "no party", a.AddPerson(ctx, &again, access.Identity{}), access.ErrNoParty)
	again.Party = "abc"
	as := access.Identity{Issuer: "https://i.example", Subject: "1"}
	wants(t, "an identity", a.AddPerson(ctx, &again, as), nil)
	other := again
	other.ID, other.Login = report.NewID(Start), "eve"
	wants(t, "an identity twice", a.AddPerson(ctx, &other, as), access.ErrTaken)
	if p, err := a.PersonOf(ctx, as); err != nil || p.ID != again.ID {
		t.Error(p, err)
	}
	_, err = a.PersonOf(ctx, access.Identity{})
	wants(t, "nobody's identity", err, access.ErrNoPerson)
	_, err = a.Person(ctx, report.NewID(Start))
	wants(t, "nobody", err, access.ErrNoPerson)
	all, err := a.People(ctx)
	if err != nil || len(all) != 4 || all[3].Login != "dan" {
		t.Error(all, err)
	}

	change := func(id report.ID, f func(*access.Person)) error {
		_, _, err := a.ChangePerson(ctx, id, func(p *access.Person) error { f(p); return nil })
		return err
	}
	wants(t, "a login that is taken", change(cat.ID, func(p *access.Person) { p.Login = "ann" }), access.ErrTaken)
	wants(t, "a party that is not", change(cat.ID, func(p *access.Person) { p.Party = "none" }), access.ErrNoParty)
	boom := errors.New("no")
	_, _, err = a.ChangePerson(ctx, cat.ID, func(p *access.Person) error { p.Name = "x"; return boom })
	wants(t, "a change that is refused", err, boom)
	was, is, err := a.ChangePerson(ctx, cat.ID, func(p *access.Person) error {
		p.Roles, p.Zone = []access.Role{access.Desk}, ""
		return nil
	})
	if err != nil || was.Zone != "Europe/Warsaw" || len(was.Roles) != 0 || !slices.Equal(is.Roles, []access.Role{access.Desk}) {
		t.Error(was, is, err)
	}
	if p, err := a.Person(ctx, cat.ID); err != nil || !gocmp.Equal(p, is) {
		t.Error(p, err)
	}

	// Two admins leave at once: one stays.
	var wg sync.WaitGroup
	var stays atomic.Int32
	for _, id := range []report.ID{ann.ID, ben.ID} {
		wg.Go(func() {
			err := change(id, func(p *access.Person) { p.State = access.Left })
			if errors.Is(err, access.ErrLastAdmin) {
				stays.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if stays.Load() != 1 {
		t.Errorf("%d of two admins stayed", stays.Load())
	}
	all, err = a.People(ctx)
	for _, p := range all {
		if p.State == access.Active && slices.Contains(p.Roles, access.Admin) {
			wants(t, "the last role", change(p.ID, func(p *access.Person) { p.Roles = []access.Role{access.Desk} }), access.ErrLastAdmin)
			wants(t, "another role beside", change(p.ID, func(p *access.Person) { p.Roles = []access.Role{access.Admin, access.Oversight} }), nil)
			return
		}
	}
	t.Error("no admin is left", err)
}

// waysIn: passkeys, passwords, codes and browsers.
func waysIn(t *testing.T, db *store.DB) {
	a := db.Access()
	ctx := t.Context()
	ann, ben := somebody(t, a, "ann", access.Active), somebody(t, a, "ben", access.Active)
	key := &access.Passkey{ID: []byte("k1"), Name: "phone", Created: Start, Count: 5, Record: []byte("{}")}
	wants(t, "a passkey", a.AddPasskey(ctx, ann.ID, key), nil)
	wants(t, "somebody else's", a.AddPasskey(ctx, ben.ID, key), access.ErrKnownKey)
	p, k, err := a.Passkey(ctx, key.ID)
	if diff := gocmp.Diff(*key, k); diff != "" || p.Login != "ann" || err != nil {
		t.Error(p, err, diff)
	}
	_, _, err = a.Passkey(ctx, []byte("no"))
	wants(t, "no passkey", err, access.ErrNothing)
	use := func(count uint32, want error) {
		t.Helper()
		k.Count, k.Used = count, Start.Add(time.Duration(count)*time.Minute)
		wants(t, "use", a.UsePasskey(ctx, &k), want)
	}
	use(6, nil)
	use(6, access.ErrCount)
	if _, k, err := a.Passkey(ctx, key.ID); err != nil || k.Suspect.IsZero() || k.Count != 6 {
		t.Error("a copy is not noted", k, err)
	}
	use(0, access.ErrCount)
	use(4_000_000_000, nil)
	zero := &access.Passkey{ID: []byte("k0"), Name: "cloud", Created: Start.Add(1), Record: []byte("{}")}
	wants(t, "one that does not count", a.AddPasskey(ctx, ann.ID, zero), nil)
	for range 2 {
		wants(t, "use of it", a.UsePasskey(ctx, zero), nil)
	}

	left := func(n int) func(*access.WaysIn) bool {
		return func(w *access.WaysIn) bool { return len(w.Passkeys) >= n }
	}
	wants(t, "the last", a.DropPasskey(ctx, ann.ID, zero.ID, left(2)), access.ErrLastWay)
	wants(t, "somebody else's", a.DropPasskey(ctx, ben.ID, zero.ID, left(0)), access.ErrNothing)
	wants(t, "one of two", a.DropPasskey(ctx, ann.ID, zero.ID, left(1)), nil)

	wants(t, "a password", a.SetPassword(ctx, ann.ID, "hash", Start, nil), nil)
	p, h, err := a.Password(ctx, "ann")
	if err != nil || p.ID != ann.ID || h != "hash" {
		t.Error(p, h, err)
	}
	_, _, err = a.Password(ctx, "nobody")
	wants(t, "nobody's password", err, access.ErrNoPerson)
	wants(t, "codes", a.SetCodes(ctx, ann.ID, []access.Hash{hash(1), hash(2)}), nil)
	wants(t, "codes anew", a.SetCodes(ctx, ann.ID, []access.Hash{hash(3), hash(4), hash(5)}), nil)
	if ok, err := a.HasCode(ctx, ann.ID, hash(1)); ok || err != nil {
		t.Error("an old code is still one", err)
	}
	if ok, err := a.HasCode(ctx, ann.ID, hash(3)); !ok || err != nil {
		t.Error("a code is none", err)
	}
	wants(t, "somebody else's code", a.UseCode(ctx, ben.ID, hash(3)), access.ErrNothing)
	wants(t, "a code", a.UseCode(ctx, ann.ID, hash(3)), nil)
	wants(t, "a code twice", a.UseCode(ctx, ann.ID, hash(3)), access.ErrNothing)
	w, err := a.WaysOf(ctx, ann.ID)
	if err != nil || len(w.Passkeys) != 1 || !w.Password.Equal(Start) || w.Codes != 2 || w.Issuer != "" {
		t.Errorf("%+v, %v", w, err)
	}
	wants(t, "no password", a.SetPassword(ctx, ann.ID, "", Start, left(1)), nil)
	if w, err := a.WaysOf(ctx, ann.ID); err != nil || !w.Password.IsZero() {
		t.Error(w, err)
	}

	for n := range byte(4) {
		wants(t, "a browser", a.KnowBrowser(ctx, hash(n), ann.ID, Start.Add(time.Duration(n)*time.Second), 3), nil)
	}
	wants(t, "a browser of two", a.KnowBrowser(ctx, hash(9), ben.ID, Start, 3), nil)
	for n, want := range map[byte]report.ID{0: {}, 3: ann.ID, 9: ben.ID, 8: {}} {
		if got, err := a.KnownBrowser(ctx, hash(n)); err != nil || got != want {
			t.Errorf("browser %d: %s, %v", n, got, err)
		}
	}
	wants(t, "a later browser", a.KnowBrowser(ctx, hash(10), ann.ID, Start.Add(time.Hour), 1), nil)
	if got, err := a.KnownBrowser(ctx, hash(3)); err != nil || !got.IsZero() {
		t.Error("an old browser is still known", err)
	}
}

// inviting: links are used once, in time, and the first admin's only while there is none.
func inviting(t *testing.T, db *store.DB) {
	a := db.Access()
	ctx := t.Context()
	first := func(n byte, want bool) {
		t.Helper()
		if put, err := a.PutFirst(ctx, &access.Link{Hash: hash(n), Until: Start.Add(time.Hour)}); put != want || err != nil {
			t.Errorf("first link: %v, %v", put, err)
		}
	}
	claim := func(n byte, login string, want error) access.Person {
		t.Helper()
		p, err := a.ClaimFirst(ctx, hash(n), &access.Person{
			ID: report.NewID(Start), Login: login, Name: "A", Party: access.Own, Roles: []access.Role{access.Admin}, State: access.Invited, Created: Start,
		}, Start)
		wants(t, "claim", err, want)
		return p
	}
	first(1, true)
	one := claim(1, "ann", nil)
	if two := claim(1, "anna", nil); two.ID != one.ID || two.Login != "anna" {
		t.Error("the link leads to two people")
	}
	first(2, true) // the node starts again
	claim(1, "ann", access.ErrLink)
	if all, err := a.People(ctx); err != nil || len(all) != 0 {
		t.Error("who never came is still there", all, err)
	}
	_, err := a.UseLink(ctx, hash(2), nil, "hash", Start)
	wants(t, "a link that leads to nobody", err, access.ErrLink)
	ann := claim(2, "ann", nil)
	var wg sync.WaitGroup
	var used atomic.Int32
	for range 4 {
		wg.Go(func() {
			switch p, err := a.UseLink(ctx, hash(2), nil, "hash", Start); {
			case err == nil && p.State == access.Active && p.ID == ann.ID:
				used.Add(1)
			case !errors.Is(err, access.ErrLink):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if used.Load() != 1 {
		t.Errorf("a link was used %d times", used.Load())
	}
	first(3, false)

	ben := somebody(t, a, "ben", access.Invited, access.Desk)
	put := func(n byte, until time.Time) {
		t.Helper()
		wants(t, "put", a.PutLink(ctx, &access.Link{Hash: hash(n), Person: ben.ID, Until: until}), nil)
	}
	put(4, Start.Add(time.Hour))
	put(5, Start.Add(time.Hour))
	for n, want := range map[byte]error{4: access.ErrLink, 5: nil, 6: access.ErrLink} {
		_, err := a.Link(ctx, hash(n), Start)
		wants(t, "link", err, want)
	}
	_, err = a.Link(ctx, hash(5), Start.Add(time.Hour))
	wants(t, "too late", err, access.ErrLink)
	key := &access.Passkey{ID: []byte("k"), Name: "n", Created: Start, Record: []byte("{}")}
	wants(t, "ann's", a.AddPasskey(ctx, ann.ID, key), nil)
	_, err = a.UseLink(ctx, hash(5), key, "", Start)
	wants(t, "a passkey that is known", err, access.ErrKnownKey)
	key.ID = []byte("l")
	p, err := a.UseLink(ctx, hash(5), key, "", Start) // the link was not used up by the fault
	if err != nil || p.State != access.Active || p.ID != ben.ID {
		t.Error(p, err)
	}
	wants(t, "nobody's link", a.PutLink(ctx, &access.Link{Hash: hash(7), Person: report.NewID(Start)}), access.ErrNoPerson)
}

// signedIn: sessions and tokens, and what ends them.
func signedIn(t *testing.T, db *store.DB) {
	a := db.Access()
	ctx := t.Context()
	ann, ben := somebody(t, a, "ann", access.Active, access.Desk), somebody(t, a, "ben", access.Invited)
	begin := func(n, before byte, p *access.Person, want error) *access.Session {
		t.Helper()
		s := &access.Session{
			ID: report.NewID(Start), Person: p.ID, Way: access.ByPasskey, Created: Start, Seen: Start, Browser: "Firefox on Linux",
			Network: netip.MustParsePrefix("192.0.2.0/24"), Recovered: true,
		}
		wants(t, "begin", a.AddSession(ctx, s, hash(n), hash(before)), want)
		return s
	}
	begin(1, 0, ben, access.ErrNoPerson)
	one := begin(2, 0, ann, nil)
	s, p, err := a.Session(ctx, hash(2), Start)
	if diff := gocmp.Diff(*one, s, cmpopts.EquateComparable(netip.Prefix{})); diff != "" || err != nil || p.ID != ann.ID || !p.Seen.Equal(Start) {
		t.Error(p, err, diff)
	}
	two := begin(3, 2, ann, nil)
	_, _, err = a.Session(ctx, hash(2), Start)
	wants(t, "the session before", err, access.ErrNothing)

	wants(t, "touch", a.TouchSession(ctx, two.ID, Start.Add(time.Minute)), nil)
	wants(t, "touch late", a.TouchSession(ctx, two.ID, Start), nil)
	renew := func(n byte, want bool) {
		t.Helper()
		if ok, err := a.RenewSession(ctx, two.ID, hash(n), Start.Add(time.Minute)); ok != want || err != nil {
			t.Errorf("renewed %v, %v", ok, err)
		}
	}
	renew(4, false)
	_, _, err = a.ChangePerson(ctx, ann.ID, func(p *access.Person) error { p.Roles = []access.Role{access.Approver}; return nil })
	wants(t, "roles", err, nil)
	if s, _, err := a.Session(ctx, hash(3), Start); err != nil || !s.Stale || !s.Seen.Equal(Start.Add(time.Minute)) {
		t.Error(s, err)
	}
	renew(4, true)
	renew(5, false)
	for _, c := range []struct {
		n    byte
		at   time.Time
		want error
	}{{3, Start, nil}, {4, Start, nil}, {5, Start, access.ErrNothing}, {3, Start.Add(time.Minute), access.ErrNothing}, {4, Start.Add(time.Minute), nil}} {
		_, _, err := a.Session(ctx, hash(c.n), c.at)
		wants(t, "renewed", err, c.want)
	}
	wants(t, "settle", a.SettleSession(ctx, two.ID), nil)
	if s, _, err := a.Session(ctx, hash(4), Start); err != nil || s.Recovered || !s.Stale {
		t.Error(s, err)
	}
	three := begin(6, 0, ann, nil)
	all, err := a.SessionsOf(ctx, ann.ID)
	if err != nil || len(all) != 2 || all[0].ID != two.ID {
		t.Error(all, err)
	}
	wants(t, "somebody else's", a.EndSession(ctx, ben.ID, three.ID), access.ErrNothing)
	if n, err := a.EndSessions(ctx, ann.ID, three.ID); n != 1 || err != nil {
		t.Error(n, err)
	}
	wants(t, "one", a.EndSession(ctx, ann.ID, three.ID), nil)
	wants(t, "one twice", a.EndSession(ctx, ann.ID, three.ID), access.ErrNothing)
	tokens(t, a, ann, ben)

	begin(7, 0, ann, nil)
	wants(t, "a browser", a.KnowBrowser(ctx, hash(1), ann.ID, Start, 3), nil)
	wants(t, "a link", a.PutLink(ctx, &access.Link{Hash: hash(9), Person: ann.ID, Until: Start.Add(time.Hour)}), nil)
	_, _, err = a.ChangePerson(ctx, ann.ID, func(p *access.Person) error { p.State = access.Left; return nil })
	wants(t, "leave", err, nil)
	_, _, err = a.Session(ctx, hash(7), Start)
	wants(t, "a session of who left", err, access.ErrNothing)
	_, _, err = a.Token(ctx, hash(1))
	wants(t, "a token of who left", err, access.ErrNothing)
	_, err = a.Link(ctx, hash(9), Start)
	wants(t, "a link of who left", err, access.ErrLink)
	if id, err := a.KnownBrowser(ctx, hash(1)); !id.IsZero() || err != nil {
		t.Error("a browser of who left is known", err)
	}
	begin(8, 0, ann, access.ErrNoPerson)
}

func tokens(t *testing.T, a *store.Access, ann, ben *access.Person) {
	t.Helper()
	ctx := t.Context()
	tok := &access.Token{
		ID: report.NewID(Start), Name: "loader", Person: ann.ID, Created: Start, Until: Start.Add(time.Hour),
		Scopes: []access.Scope{{Action: access.Change, Record: access.Incident}, {Action: access.See}},
	}
	wants(t, "a token", a.AddToken(ctx, tok, hash(1)), nil)
	other := *tok
	other.ID, other.Person = report.NewID(Start), ben.ID
	wants(t, "of who is not active", a.AddToken(ctx, &other, hash(2)), access.ErrNoPerson)
	got, p, err := a.Token(ctx, hash(1))
	if diff := gocmp.Diff(*tok, got); diff != "" || err != nil || p.Login != "ann" {
		t.Error(p, err, diff)
	}
	_, _, err = a.Token(ctx, hash(2))
	wants(t, "no token", err, access.ErrNothing)
	wants(t, "used", a.TouchToken(ctx, tok.ID, Start.Add(time.Minute)), nil)
	for person, want := range map[report.ID]int{ann.ID: 1, ben.ID: 0, {}: 1} {
		if all, err := a.TokensOf(ctx, person); len(all) != want || err != nil {
			t.Error(all, err)
		}
	}
	other.Person = ann.ID
	wants(t, "another", a.AddToken(ctx, &other, hash(2)), nil)
	wants(t, "its end", a.EndToken(ctx, other.ID), nil)
	wants(t, "its end twice", a.EndToken(ctx, other.ID), access.ErrNothing)
}

// endedAccess: what has come to its end is deleted, and nothing else, and the log has an entry for it.
func endedAccess(t *testing.T, db *store.DB) {
	a := db.Access()
	ctx := t.Context()
	ann := somebody(t, a, "ann", access.Active, access.Desk)
	ben := somebody(t, a, "ben", access.Active, access.Desk)
	add := func(n byte, p *access.Person, created, seen, until time.Time) {
		t.Helper()
		wants(t, "session", a.AddSession(ctx, &access.Session{ID: report.NewID(Start), Person: p.ID, Created: created, Seen: seen}, hash(n), access.Hash{}), nil)
		wants(t, "link", a.PutLink(ctx, &access.Link{Hash: hash(n), Person: p.ID, Until: until}), nil)
		wants(t, "token", a.AddToken(ctx, &access.Token{ID: report.NewID(Start), Person: p.ID, Created: created, Until: until}, hash(n)), nil)
		wants(t, "browser", a.KnowBrowser(ctx, hash(n), p.ID, seen, 5), nil)
		wants(t, "act", a.NoteAct(ctx, &access.Act{ID: report.NewID(Start), At: seen, Kind: "role", Who: "ben", About: "ann", Roles: ann.Roles}), nil)
	}
	add(1, ann, Start.Add(-2*time.Hour), Start.Add(-time.Hour), Start)
	add(2, ben, Start, Start, Start.Add(time.Hour))
	ends := &access.Ended{Begun: Start.Add(-time.Hour), Idle: Start.Add(-time.Minute), Browsers: Start.Add(-time.Minute), Acts: Start.Add(-time.Minute)}
	for _, want := range []int64{5, 0} {
		if n, err := a.DeleteEnded(ctx, ends, Start); n != want || err != nil {
			t.Errorf("deleted %d, %v; want %d", n, err, want)
		}
	}
	_, _, err := a.Session(ctx, hash(2), Start)
	wants(t, "what goes on", err, nil)
	all, err := db.Deletions(ctx)
	if err != nil || len(all) != 5 {
		t.Error(all, err)
	}
}
