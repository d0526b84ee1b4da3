package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"hash/fnv"
	"net/netip"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// The lists, and what their columns are. A text is in them as a hash: what is found by it is looked at again. Of an
// incident that is gone all columns but columnStanding are zero.
const (
	columnStanding = iota // state and last sighting, see standing
	columnParty
	columnKind // 16 bits of the class, 16 of the type
	columnTag
	columnSubject // zero for a line
	columnID      // and the three behind it
	incidentWidth = columnID + 4

	columnAddress  = 0 // of a line
	columnIncident = 1 // number of its incident in the other list
	addressWidth   = 2
)

func incidentList() columnList { return columnList{0, incidentWidth} }

func addressList() columnList { return columnList{1, addressWidth} }

// quarter is the resolution of the last sighting in columnStanding, in microseconds: the days of all time zones begin
// with one.
const quarter = 15 * 60 * 1e6

// gone is the state, in columnStanding, of an incident that is no more.
const gone = 0xff

// standing is where an incident stands, as a search sees it: quarters of an hour since 1970 and, in the lowest byte, the
// state.
func standing(s incident.State, last int64) uint32 {
	return quarterOf(last)<<8 | uint32(incident.StateNumber(s))
}

func quarterOf(micros int64) uint32 { return uint32(min(max(micros/quarter, 0), 1<<24-1)) }

func hashOf(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum32()
}

func hashOfKind(k report.Kind) uint32 {
	return hashOf(string(k.Class))<<16 | hashOf(string(k.Type))&0xffff
}

// placer keeps the lists up to date in one transaction.
type placer struct {
	incidents *columnWriter
	addresses *columnWriter
	forgotten map[uint32]bool // places of incidents of lines that are gone
	hashes    map[string]uint32
	kinds     map[report.Kind]uint32
}

func newPlacer(ctx context.Context, tx *sql.Tx, db *DB) *placer {
	return &placer{
		incidents: newColumnWriter(ctx, tx, db, incidentList()), addresses: newColumnWriter(ctx, tx, db, addressList()),
		forgotten: map[uint32]bool{}, hashes: map[string]uint32{}, kinds: map[report.Kind]uint32{},
	}
}

// add gives a new incident its place.
func (p *placer) add(id report.ID, party report.Party, kind report.Kind, tag, subject string, standing uint32) (place int64, err error) {
	k, ok := p.kinds[kind]
	if !ok {
		k = hashOfKind(kind)
		p.kinds[kind] = k
	}
	about := uint32(0)
	if subject != "" {
		about = hashOf(subject)
	}
	return p.incidents.add(standing, p.hash(string(party)), k, p.hash(tag), about,
		binary.LittleEndian.Uint32(id[0:]), binary.LittleEndian.Uint32(id[4:]),
		binary.LittleEndian.Uint32(id[8:]), binary.LittleEndian.Uint32(id[12:]))
}

// hash remembers the hashes of words that come again and again.
func (p *placer) hash(s string) uint32 {
	h, ok := p.hashes[s]
	if !ok {
		h = hashOf(s)
		if len(p.hashes) < 1000 {
			p.hashes[s] = h
		}
	}
	return h
}

// stand notes where an incident stands now. One without a place gets it from place.
func (p *placer) stand(place int64, standing uint32) {
	if place >= 0 {
		p.incidents.set(place, columnStanding, standing)
	}
}

// seenAt notes that a line's incident was seen at an address.
func (p *placer) seenAt(place int64, a netip.Addr) error {
	_, err := p.addresses.add(hashOf(a.String()), uint32(place))
	return err
}

// forget takes an incident that is gone out of the lists, with all that is said of it there.
func (p *placer) forget(place int64, line bool) {
	if place < 0 {
		return
	}
	p.incidents.wipes = true
	p.incidents.set(place, columnStanding, gone)
	for c := columnStanding + 1; c < incidentWidth; c++ {
		p.incidents.set(place, c, 0)
	}
	if line {
		p.forgotten[uint32(place)] = true
	}
}

func (p *placer) flush() error {
	if err := p.forgetAddresses(); err != nil {
		return err
	}
	if err := p.incidents.flush(); err != nil {
		return err
	}
	return p.addresses.flush()
}

// forgetAddresses looks through the whole list, which is short beside what else deleting incidents costs.
func (p *placer) forgetAddresses() error {
	if len(p.forgotten) == 0 {
		return nil
	}
	w := p.addresses
	r, err := newColumnReader(w.ctx, w.tx, w.db, w.list)
	if err != nil {
		return err
	}
	return r.run(columnIncident, 0, r.entries/blockSize, func(block int64, body []byte) {
		for place := block * blockSize; len(body) > 0; place, body = place+1, body[4:] {
			if p.forgotten[binary.LittleEndian.Uint32(body)] {
				w.wipes = true
				w.set(place, columnAddress, 0)
				w.set(place, columnIncident, noIncident)
			}
		}
	})
}

// noIncident is what columnIncident says of an address whose incident is gone.
const noIncident = 1<<32 - 1

// maxAddresses is how many bytes of addresses stay in the row of a line's incident; beyond that they spill into side
// rows, like links.
const maxAddresses = 512

// appendAddress adds an address to those of an incident, as the store keeps them: its length, and its bytes.
func appendAddress(packed []byte, a netip.Addr) []byte {
	b := a.AsSlice()
	return append(append(packed, byte(len(b))), b...)
}

// unpackAddresses returns the addresses of an incident.
func unpackAddresses(packed []byte) ([]netip.Addr, error) {
	var all []netip.Addr
	for len(packed) > 0 {
		n := int(packed[0])
		if len(packed) <= n {
			return nil, ErrDamaged
		}
		a, ok := netip.AddrFromSlice(packed[1 : 1+n])
		if !ok {
			return nil, ErrDamaged
		}
		all, packed = append(all, a), packed[1+n:]
	}
	return all, nil
}

// holdsAddress reports whether an address is among those of an incident.
func holdsAddress(packed []byte, a netip.Addr) bool {
	for len(packed) > 0 {
		n := min(int(packed[0]), len(packed)-1)
		if one, ok := netip.AddrFromSlice(packed[1 : 1+n]); ok && one == a {
			return true
		}
		packed = packed[1+n:]
	}
	return false
}

// spiltAddresses returns the addresses of a line's incident that no longer fit into its row.
func spiltAddresses(ctx context.Context, tx *sql.Tx, db *DB, id report.ID) ([]netip.Addr, error) {
	rows, err := tx.QueryContext(ctx, db.dialect.sql(`SELECT addresses FROM incident_addresses WHERE incident = ?`), id[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []netip.Addr
	for rows.Next() {
		var packed []byte
		if err := rows.Scan(&packed); err != nil {
			return nil, err
		}
		some, err := unpackAddresses(packed)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, rows.Err()
}
