package radius

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"layeh.com/radius"

	"tocsin/internal/line/acct"
)

// kind is how a value is written.
type kind uint8

const (
	text kind = iota
	number
	address
	prefix // RFC 3162 §2.3: a reserved byte, the length, and as much of the address as is not zero
)

// known are the attributes that are read, by their numbers.
var known = map[radius.Type]struct {
	name string
	kind kind
}{
	1: {"User-Name", text}, 4: {"NAS-IP-Address", address}, 8: {"Framed-IP-Address", address}, 22: {"Framed-Route", text}, 25: {"Class", text},
	31: {"Calling-Station-Id", text}, 32: {"NAS-Identifier", text}, // RFC 2865
	40: {"Acct-Status-Type", number}, 41: {"Acct-Delay-Time", number}, 44: {"Acct-Session-Id", text}, 46: {"Acct-Session-Time", number}, // RFC 2866
	55: {"Event-Timestamp", number}, 87: {"NAS-Port-Id", text}, // RFC 2869
	89: {"Chargeable-User-Identity", text},                                                                 // RFC 4372
	95: {"NAS-IPv6-Address", address}, 97: {"Framed-IPv6-Prefix", prefix}, 99: {"Framed-IPv6-Route", text}, // RFC 3162
	123: {"Delegated-IPv6-Prefix", prefix}, // RFC 4818
	168: {"Framed-IPv6-Address", address},  // RFC 6911
}

const (
	vendorSpecific = 26
	adslForum      = 3561 // RFC 4679
)

// attributesOf reads a packet's attributes. One whose value cannot be read has that value as it is, so that whoever needs
// it refuses it.
func attributesOf(p *radius.Packet) acct.Attributes {
	a := acct.Attributes{}
	for _, avp := range p.Attributes {
		if avp.Type == vendorSpecific {
			vendor(a, avp.Attribute)
			continue
		}
		if k, ok := known[avp.Type]; ok {
			a[k.name] = append(a[k.name], value(avp.Attribute, k.kind))
		}
	}
	return a
}

// vendor reads the attributes of a vendor that name the line: the circuit of the DSL Forum (RFC 4679 §3.3.1, §3.3.2).
func vendor(a acct.Attributes, b []byte) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != adslForum {
		return
	}
	for b = b[4:]; len(b) >= 2; {
		n := int(b[1])
		if n < 2 || n > len(b) {
			return
		}
		switch b[0] {
		case 1:
			a["ADSL-Agent-Circuit-Id"] = append(a["ADSL-Agent-Circuit-Id"], string(b[2:n]))
		case 2:
			a["ADSL-Agent-Remote-Id"] = append(a["ADSL-Agent-Remote-Id"], string(b[2:n]))
		}
		b = b[n:]
	}
}

func value(b []byte, k kind) string {
	switch {
	case k == number && len(b) == 4:
		return strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 10)
	case k == address && (len(b) == 4 || len(b) == 16):
		addr, _ := netip.AddrFromSlice(b)
		return addr.String()
	case k == prefix && len(b) >= 2 && len(b) <= 18 && int(b[1]) <= 128:
		var full [16]byte
		copy(full[:], b[2:])
		return netip.PrefixFrom(netip.AddrFrom16(full), int(b[1])).Masked().String()
	}
	return string(b)
}
