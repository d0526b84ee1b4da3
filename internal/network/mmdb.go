package network

import (
	"bufio"
	"bytes"
	"context"
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
	defer db.Close()
	return t.eachNetwork(ctx, db)
}

func (t *intoTable) eachNetwork(ctx context.Context, db *maxminddb.Reader) error {
	// A tree of n nodes has n+1 leaves. In a hostile one branches meet again, and then the ways through it double at
	// each level: so leaves without data are asked for too, and counted.
	leaves := uint64(db.Metadata.NodeCount) + 1
	limit := 4*leaves + 1024
	facts := make(map[uintptr]fact) // by where the record stands: many networks share one
	wrong := make(map[uintptr]error)
	var n uint64
	for r := range db.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if n++; n > limit {
			return errors.New("its tree has more leaves than nodes allow: the file is damaged")
		}
		if n%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.Err(); err != nil {
			return fmt.Errorf("walk the MMDB: %w", err)
		}
		if !r.Found() {
			continue
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
		if err := t.took(int64(n), err); err != nil {
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
