package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxFields is how many fields of a line are looked at.
const maxFields = 64

// columns says which field of a line is what; -1 where the file has none.
type columns struct{ prefix, start, end, asn, org, cc, abuse int }

// Without a header the fields are taken by their place; which of the two shapes a line has shows in its first field.
var (
	rangeColumns  = columns{prefix: -1, start: 0, end: 1, asn: 2, org: 3, cc: 4, abuse: 5}  //nolint:gochecknoglobals // constant
	prefixColumns = columns{prefix: 0, start: -1, end: -1, asn: 1, org: 2, cc: 3, abuse: 4} //nolint:gochecknoglobals // constant
)

// headerNames are the names under which publishers give each column, the better one first: a country's code before
// its name.
var headerNames = []struct { //nolint:gochecknoglobals // table of plain data
	names []string
	field func(*columns) *int
}{
	{[]string{"prefix", "network", "cidr", "subnet"}, func(c *columns) *int { return &c.prefix }},
	{
		[]string{"start", "start_ip", "range_start", "ip_start", "ip_range_start", "ip_from", "first", "first_ip"},
		func(c *columns) *int { return &c.start },
	},
	{
		[]string{"end", "end_ip", "range_end", "ip_end", "ip_range_end", "ip_to", "last", "last_ip"},
		func(c *columns) *int { return &c.end },
	},
	{
		[]string{"asn", "as", "as_number", "autonomous_system_number"},
		func(c *columns) *int { return &c.asn },
	},
	{
		[]string{
			"org", "holder", "as_name", "as_org", "autonomous_system_organization", "organization", "organisation",
			"as_description", "description", "name",
		},
		func(c *columns) *int { return &c.org },
	},
	{
		[]string{"cc", "country_code", "country_iso_code", "countrycode", "country"},
		func(c *columns) *int { return &c.cc },
	},
	{
		[]string{"abuse", "abuse_contact", "abuse_email", "abuse_mail"},
		func(c *columns) *int { return &c.abuse },
	},
}

// readCSV reads lines of start,end,asn,org[,cc[,abuse]] or prefix,asn,org[,cc[,abuse]], or with a header in any order.
func (t *intoTable) readCSV(ctx context.Context, in *bufio.Reader) error {
	var header *columns
	first := true
	fields := make([]string, 0, maxFields)
	return t.eachLine(ctx, in, func(n int64, line string) error {
		var err error
		if fields, err = splitCSV(line, fields[:0]); err != nil {
			return t.took(n, err)
		}
		if first {
			first = false
			if header = headerOf(fields); header != nil {
				if header.prefix < 0 && (header.start < 0 || header.end < 0) {
					return errors.New("its header names no address column: call it prefix, or two of them start and end")
				}
				return nil
			}
		}
		return t.took(n, t.b.addRow(fields, header))
	})
}

// headerOf reads the names of the columns; nil where the line is data. It is a header when it holds the name of a
// column where an address would stand.
func headerOf(fields []string) *columns {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(f))
	}
	c := columns{-1, -1, -1, -1, -1, -1, -1}
	found := 0
	for _, h := range headerNames {
		for _, name := range h.names {
			if i := slices.Index(names, name); i >= 0 {
				*h.field(&c) = i
				found++
				break
			}
		}
	}
	if found == 0 {
		return nil
	}
	for _, f := range fields { // "AS" and "name" may be values too: a line with an address in it is data
		if _, err := netip.ParseAddr(f); err == nil {
			return nil
		}
		if _, err := netip.ParsePrefix(f); err == nil {
			return nil
		}
	}
	return &c
}

// addRow adds one line. Its fields are pieces of the line; nothing of it is kept but what b.word clones.
func (b *builder) addRow(fields []string, header *columns) error {
	c := header
	switch {
	case c != nil:
	case strings.IndexByte(fields[0], '/') >= 0:
		c = &prefixColumns
	default:
		c = &rangeColumns
	}
	f, err := b.rowFact(fields, c, header == nil)
	if err != nil {
		return err
	}
	if c.prefix >= 0 {
		p, err := parsePrefix(field(fields, c.prefix))
		if err != nil {
			return err
		}
		return b.add(p, f)
	}
	start, err := parseAddr(field(fields, c.start), "first")
	if err != nil {
		return err
	}
	end, err := parseAddr(field(fields, c.end), "last")
	switch {
	case err != nil:
		return err
	case start.Is4() != end.Is4():
		return errors.New("the first address is of another family than the last")
	case end.Less(start):
		return errors.New("the first address comes after the last")
	}
	return b.addRange(start, end, f)
}

func (b *builder) rowFact(fields []string, c *columns, placed bool) (fact, error) {
	number, org := field(fields, c.asn), field(fields, c.org)
	cc, abuse := field(fields, c.cc), field(fields, c.abuse)
	if placed && isCountryWord(number) { // start,end,GB: a country table
		number, org, cc, abuse = "", "", number, ""
	}
	var f fact
	var err error
	if f.asn, org, err = holderOf(number, org); err != nil {
		return fact{}, err
	}
	if f.cc, err = b.countryWord(cc); err != nil {
		return fact{}, err
	}
	if f.org, err = b.name(org); err != nil {
		return fact{}, err
	}
	if abuse != "" && !isBlank(abuse) {
		if n, known := b.texts[abuse]; known {
			f.abuse = n
		} else if !isMailAddress(abuse) {
			return fact{}, errors.New("the abuse contact is not a mail address")
		} else {
			f.abuse = b.word(abuse)
		}
	}
	if f == (fact{}) {
		return fact{}, errors.New("the line names no AS number, holder, country or abuse contact")
	}
	return f, nil
}

// holderOf reads the AS number and the holder's name. Publishers write the number as 64500 or AS64500, put the name
// behind it in one field ("AS64500 Example") or the number before the name ("AS64500 - Example").
func holderOf(number, org string) (asn uint32, name string, err error) {
	number, rest, _ := strings.Cut(number, " ")
	if isBlank(org) {
		org = strings.TrimSpace(rest)
	}
	if !isBlank(number) {
		var ok bool
		if asn, ok = parseASN(number); !ok {
			return 0, "", errors.New("the AS number is not a number like 64500 or AS64500")
		}
	}
	if len(org) > 2 && org[:2] == "AS" {
		if before, behind, _ := strings.Cut(org, " "); before != "" {
			if n, ok := parseASN(before); ok && (asn == 0 || n == asn) {
				asn, org = n, strings.TrimPrefix(strings.TrimSpace(behind), "- ")
			}
		}
	}
	if isBlank(org) {
		org = ""
	}
	return asn, org, nil
}

// isBlank reports whether a field says that nothing is known.
func isBlank(s string) bool {
	switch s {
	case "", "-", "0", "None", "none", "NULL", "null", "N/A", "AS0":
		return true
	}
	return false
}

func isCountryWord(s string) bool {
	return len(s) == 2 && isLetter(s[0]) && isLetter(s[1])
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// countryWord reads a country code. ZZ and XX are codes that ISO 3166-1 leaves to users: publishers say with them that
// no country is known.
func (b *builder) countryWord(s string) (uint32, error) {
	if isBlank(s) {
		return 0, nil
	}
	if !isCountryWord(s) {
		return 0, errors.New("the country is not a code of two letters")
	}
	if s = strings.ToUpper(s); s == "ZZ" || s == "XX" {
		return 0, nil
	}
	return b.word(s), nil
}

func field(fields []string, i int) string {
	if i < 0 || i >= len(fields) {
		return ""
	}
	return fields[i]
}

func parseAddr(s, which string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("the %s address is not an IP address", which)
	}
	return a.Unmap(), nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.IndexByte(s, '/') < 0 {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("the prefix is neither a prefix nor an address")
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errors.New("the prefix is not one like 192.0.2.0/24")
	}
	return p, nil
}

// splitCSV cuts a line into fields (RFC 4180 §2, without line ends inside quotes: one line is one record, so that a
// stray quote spoils one line and not the file). White space around fields is dropped.
func splitCSV(line string, fields []string) ([]string, error) {
	for {
		if len(fields) == maxFields {
			return fields, nil
		}
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] != '"' {
			f, rest, more := strings.Cut(line, ",")
			fields = append(fields, strings.TrimSpace(f))
			if !more {
				return fields, nil
			}
			line = rest
			continue
		}
		end := closingQuote(line)
		if end < 0 {
			return fields, errors.New("a quotation mark is not closed on the line")
		}
		f := line[1:end]
		if strings.IndexByte(f, '"') >= 0 {
			f = strings.ReplaceAll(f, `""`, `"`)
		}
		fields = append(fields, strings.TrimSpace(f))
		switch line = strings.TrimLeft(line[end+1:], " \t"); {
		case line == "":
			return fields, nil
		case line[0] != ',':
			return fields, errors.New("a quoted field is followed by something else than a comma")
		}
		line = line[1:]
	}
}

// closingQuote returns where the quoted field that s begins with ends, -1 if it does not.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 == len(s) || s[i+1] != '"' {
			return i
		}
		i++
	}
	return -1
}
