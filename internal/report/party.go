package report

import (
	"net/netip"
	"strconv"
	"strings"
)

// Party is who is responsible for a subject, as one word: `line:HANDLE`, `own`, `partner:ID`, `as:N`, `unknown`.
// Lines are known by a random handle only; no party says a person's name.
type Party string

// The parties that need no argument. The zero value "" is not a party.
const (
	PartyOwn     Party = "own"     // our network, line unknown
	PartyUnknown Party = "unknown" // no table and no report says whose it is
)

// PartyLine is the subscriber line with this random handle.
func PartyLine(handle string) Party { return Party("line:" + handle) }

// PartyPartner is the partner whose id in the config this is.
func PartyPartner(id string) Party { return Party("partner:" + id) }

// PartyAS is the autonomous system n (RFC 6793: 32 bits).
func PartyAS(n uint32) Party { return Party("as:" + strconv.FormatUint(uint64(n), 10)) }

// IsLine reports whether the party is one subscriber line.
func (p Party) IsLine() bool { return strings.HasPrefix(string(p), "line:") }

// Holder is the organisation that an address belongs to, as far as the operator's tables say.
// The zero value is an address that no table knows.
type Holder struct {
	Prefix  netip.Prefix // the most specific prefix known
	ASN     uint32       // 0 when not known
	Org     string
	CC      string // ISO 3166-1 alpha-2, upper case; where it is registered, not where it is used
	Abuse   string // abuse contact; a role address, by the registries' policies
	Own     bool   // one of our own networks
	Partner string // partner's id, empty when none
	CGNAT   bool   // own address that many lines share: without a port it names nobody

	// Reported says that AS number, and with it owner or partner, come from the report alone: no table gives one and
	// no entry of the config lists the address. Good enough to file an incident under, no proof of whose it is.
	Reported bool
}

// Party returns who is responsible for an address of this holder. reported is the ASN that the report itself
// gives (0 when none); it counts only where no table has an answer (DESIGN.md §5). Whether that ASN is ours or a
// partner's is for the network room to say, in the holder.
func (h Holder) Party(reported uint32) Party {
	switch {
	case h.Own:
		return PartyOwn
	case h.Partner != "":
		return PartyPartner(h.Partner)
	case h.ASN != 0:
		return PartyAS(h.ASN)
	case reported != 0:
		return PartyAS(reported)
	}
	return PartyUnknown
}
