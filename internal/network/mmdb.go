package network

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/oschwald/maxminddb-golang/v2"
)

// mmdbRecord holds the members that ASN and country databases use, nested or flat. They are any because publishers
// disagree on the types: an AS number is a number here and "AS64500" there, a country is a map or a code or a name.
type mmdbRecord struct {
	Number            any `maxminddb:"autonomous_system_number"`
	Organization      any `maxminddb:"autonomous_system_organization"`
	ASN               any `maxminddb:"asn"`
	ASName            any `maxminddb:"as_name"`
	Name              any `maxminddb:"name"`
	CountryCode       any `maxminddb:"country_code"`
	Country           any `maxminddb:"country"`
	RegisteredCountry any `maxminddb:"registered_country"`
	Traits            any `maxminddb:"traits"`
}

// readMMDB reads a database in the MaxMind DB format 2.0. The file is read into memory and not mapped: whoever
// writes over a mapped file kills the process.
func (t *intoTable) readMMDB(ctx context.Context, in *bufio.Reader) error {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(in, maxMMDBBytes+1))
	switch {
	case err != nil:
		return err
	case n > maxMMDBBytes:
		return fmt.Errorf("the database has more than %d MiB: use an ASN or country database", maxMMDBBytes>>20)
	}
	db, err := maxminddb.OpenBytes(buf.Bytes(), maxminddb.DisableStringCache())
	if err != nil {
		return fmt.Errorf("open as MMDB: %w", err)
	}
	if !soundTree(buf.Bytes(), db.Metadata.NodeCount, db.Metadata.RecordSize) {
		return errors.New("its tree is damaged: fetch it again")
	}
	return t.eachNetwork(ctx, db)
}

// soundTree reports whether the tree at the beginning of b can be walked in time that its size bounds. In a hostile
// one branches meet again, and the ways through it double at each level. Publishers let branches meet too, but only to
// show IPv4 under a few IPv6 prefixes: a walk of eight times the nodes covers them.
func soundTree(b []byte, nodes, recordBits uint) bool {
	type place struct{ node, depth uint }
	way := []place{{0, 0}}
	for left := 8*nodes + 1024; len(way) > 0; left-- {
		p := way[len(way)-1]
		way = way[:len(way)-1]
		if p.node >= nodes { // a leaf
			left++
			continue
		}
		l, r, ok := children(b, p.node, recordBits)
		if !ok || p.depth == 128 || left == 0 {
			return false
		}
		way = append(way, place{l, p.depth + 1}, place{r, p.depth + 1})
	}
	return true
}

// children reads one node: two numbers of 24, 28 or 32 bits (MaxMind DB format 2.0, "Binary Search Tree Section").
func children(b []byte, node, recordBits uint) (left, right uint, ok bool) {
	size := recordBits / 4
	if size < 6 || size > 8 || node >= uint(len(b))/size {
		return 0, 0, false
	}
	b = b[node*size:][:size]
	at := func(i int) uint { return uint(b[i])<<16 | uint(b[i+1])<<8 | uint(b[i+2]) }
	switch recordBits {
	case 24:
		return at(0), at(3), true
	case 28: // the byte in the middle holds the highest bits of both
		return uint(b[3]>>4)<<24 | at(0), uint(b[3]&15)<<24 | at(4), true
	case 32:
		return uint(binary.BigEndian.Uint32(b)), uint(binary.BigEndian.Uint32(b[4:])), true
	}
	return 0, 0, false
}

func (t *intoTable) eachNetwork(ctx context.Context, db *maxminddb.Reader) error {
	facts := make(map[uintptr]fact) // by where the record stands: many networks share one
	wrong := make(map[uintptr]error)
	var n int64
	for r := range db.Networks() {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.Err(); err != nil {
			return fmt.Errorf("walk the MMDB: %w", err)
		}
		at := r.Offset()
		f, known := facts[at]
		err := wrong[at]
		if !known && err == nil {
			if f, err = t.b.recordFact(r); err != nil {
				wrong[at] = err
			} else {
				facts[at] = f
			}
		}
		switch {
		case err != nil:
		case f == (fact{}): // says nothing of what is asked
			continue
		default:
			err = t.b.add(r.Prefix(), f)
		}
		if err := t.took(n, err); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) recordFact(r maxminddb.Result) (fact, error) {
	var rec mmdbRecord
	if err := r.Decode(&rec); err != nil {
		return fact{}, errors.New("the record cannot be decoded")
	}
	return b.mmdbFact(&rec)
}

func (b *builder) mmdbFact(rec *mmdbRecord) (fact, error) {
	number := firstText(rec.Number, rec.ASN, member(rec.Traits, "autonomous_system_number"))
	org := firstText(rec.Organization, rec.ASName, member(rec.Traits, "autonomous_system_organization"))
	if org == "" && number != "" { // elsewhere "name" is a place's
		org = firstText(rec.Name)
	}
	var f fact
	var err error
	if f.asn, org, err = holderOf(number, org); err != nil {
		return fact{}, err
	}
	if f.org, err = b.name(org); err != nil {
		return fact{}, err
	}
	// Where it is registered comes before where it is used.
	for _, v := range [...]any{
		member(rec.RegisteredCountry, "iso_code"), member(rec.Country, "iso_code"), rec.CountryCode, rec.Country,
	} {
		if cc := text(v); isCountryWord(cc) {
			f.cc, err = b.countryWord(cc)
			return f, err
		}
	}
	return f, nil
}

func member(v any, name string) any {
	m, _ := v.(map[string]any)
	return m[name]
}

func firstText(all ...any) string {
	for _, v := range all {
		if s := text(v); !isBlank(s) {
			return s
		}
	}
	return ""
}

// text writes a string or a whole number; "" for anything else.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case uint64:
		return strconv.FormatUint(v, 10)
	case uint32:
		return strconv.FormatUint(uint64(v), 10)
	case uint16:
		return strconv.FormatUint(uint64(v), 10)
	case int:
		return strconv.Itoa(v)
	case int32:
		return strconv.FormatInt(int64(v), 10)
	}
	return ""
}
