package arf

import (
	"errors"
	"net/netip"
	"strings"

	"tocsin/internal/formats/internal/mail"
)

var errNotRecorded = errors.New("nothing safe says where the mail came from")

// recorded takes the source address out of the quoted mail's Received fields where the report has no Source-IP, and
// only where its author can be told from the offender, who may write what he likes into the fields below:
//
//   - the topmost Received was written by a host of the reporter's own domain, and the one below it, if there is
//     one, was not: the first is then the hop by which the mail entered the reporter's network;
//   - that hop did not begin in the reporter's own domain;
//   - it has the address of its other end in brackets, as the receiving server must write it (RFC 5321 §4.4).
func (w *wire) recorded() (netip.Addr, error) {
	home := domainOf(w.header.Get("From"))
	var hops []string
	for _, f := range w.quoted.header {
		if strings.EqualFold(f.Name, "Received") {
			hops = append(hops, f.Value)
		}
	}
	if home == "" || len(hops) == 0 {
		return netip.Addr{}, errNotRecorded
	}
	from, by := ends(hops[0])
	if !within(by, home) || within(firstWord(from), home) {
		return netip.Addr{}, errNotRecorded
	}
	if len(hops) > 1 {
		if _, by := ends(hops[1]); within(by, home) {
			return netip.Addr{}, errNotRecorded
		}
	}
	open := strings.LastIndexByte(from, '[')
	if open < 0 {
		return netip.Addr{}, errNotRecorded
	}
	literal, _, ok := strings.Cut(from[open+1:], "]")
	if !ok {
		return netip.Addr{}, errNotRecorded
	}
	return address(literal)
}

// ends parts a Received field into what follows "from", comment included, and the host after "by".
func ends(received string) (from, by string) {
	rest, ok := strings.CutPrefix(received, "from ")
	if !ok {
		return "", ""
	}
	from, rest, ok = strings.Cut(rest, " by ")
	if !ok {
		return "", ""
	}
	return from, firstWord(rest)
}

// within reports whether host is the domain or below it.
func within(host, domain string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// domainOf is the domain of an address as From has it.
func domainOf(from string) string {
	from = mail.Decode(from)
	i := strings.LastIndexByte(from, '@')
	if i < 0 {
		return ""
	}
	d := from[i+1:]
	if end := strings.IndexAny(d, "> \t,;()\""); end >= 0 {
		d = d[:end]
	}
	return strings.ToLower(d)
}
