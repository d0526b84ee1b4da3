package intelmq

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/report"
)

// members are the fields that become members of the event.
var members = map[string]bool{
	"classification.type": true, "classification.taxonomy": true, "classification.identifier": true, "feed.name": true,
	"time.source": true, "source.ip": true, "source.network": true, "source.port": true, "source.fqdn": true, "source.url": true, "source.asn": true,
	"source.geolocation.cc": true, "protocol.transport": true, "destination.ip": true, "destination.port": true,
	"destination.fqdn": true, "destination.url": true,
}

// valueType is what the harmonisation demands of a value. IntelMQ refuses an event with a value that breaks it.
type valueType int

const (
	free     valueType = iota + 1 // any text
	lower                         // in lower case
	upper                         // in upper case
	printing                      // printable ASCII, up to 200 characters
	integer
	float
	accuracy // 0 to 100
	boolean
	dateTime
	address
	network
	fqdn
	link
	base64Text
	country
)

// types are the other fields of the harmonisation, of versions 2 and 3.
var types = func() map[string]valueType {
	all := map[string]valueType{
		"comment": free, "event_description.target": free, "event_description.text": free, "event_description.url": link,
		"feed.accuracy": accuracy, "feed.code": free, "feed.documentation": free, "feed.provider": free, "feed.url": link,
		"malware.hash.md5": printing, "malware.hash.sha1": printing, "malware.hash.sha256": printing, "malware.name": lower,
		"malware.version": printing, "misp.attribute_uuid": lower, "misp.event_uuid": lower, "protocol.application": lower,
		"raw": base64Text, "rtir_id": integer, "screenshot_url": link, "status": free, "time.observation": dateTime, "tlp": upper,
		"event_hash": upper, "source.geolocation.cymru_cc": country, "source.geolocation.geoip_cc": country,
	}
	for name, t := range map[string]valueType{
		"abuse_contact": lower, "account": free, "allocated": dateTime, "as_name": free, "geolocation.city": free,
		"geolocation.country": free, "geolocation.latitude": float, "geolocation.longitude": float, "geolocation.region": free,
		"geolocation.state": free, "local_hostname": free, "local_ip": address, "network": network, "registry": upper,
		"reverse_dns": fqdn, "tor_node": boolean, "urlpath": free,
	} {
		all["source."+name], all["destination."+name] = t, t
	}
	all["destination.asn"], all["destination.geolocation.cc"] = integer, country
	return all
}()

// literal returns how a value of a field stands in JSON, quoted or not; ok is false where IntelMQ would refuse it.
func (t valueType) literal(v string) (quoted, ok bool) {
	if v == "" || v == "-" || v == "N/A" { // IntelMQ takes these for no value
		return true, false
	}
	switch t {
	case free:
		return true, true
	case lower:
		return true, v == strings.ToLower(v) && isPrintable(v)
	case upper:
		return true, v == strings.ToUpper(v) && isPrintable(v)
	case printing:
		return true, len(v) <= 200 && isPrintable(v)
	case integer:
		n, err := strconv.ParseInt(v, 10, 64)
		return false, err == nil && strconv.FormatInt(n, 10) == v
	case float, accuracy:
		n, err := strconv.ParseFloat(v, 64)
		return false, err == nil && isJSONNumber(v) && (t == float || n >= 0 && n <= 100)
	case boolean:
		return false, v == "true" || v == "false"
	case dateTime:
		_, err := time.Parse(time.RFC3339, v)
		return true, err == nil
	case address:
		_, err := netip.ParseAddr(v)
		return true, err == nil
	case network:
		_, err := netip.ParsePrefix(v)
		return true, err == nil
	case fqdn:
		return true, isFQDN(v)
	case link:
		return true, isURL(v)
	case base64Text:
		_, err := base64.StdEncoding.DecodeString(v)
		return true, err == nil
	case country:
		return true, isCountry(v)
	}
	return true, false
}

// isJSONNumber: RFC 8259 §6, which ParseFloat is wider than.
func isJSONNumber(v string) bool {
	s := strings.TrimPrefix(v, "-")
	whole, fraction, dot := strings.Cut(s, ".")
	return isDigits(whole) && (whole == "0" || whole[0] != '0') && (!dot || isDigits(fraction))
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != ""
}

func isFQDN(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	return report.ValidDomain(s)
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// transports are the words of protocol.transport that our formats give.
var transports = map[string]bool{
	"tcp": true, "udp": true, "icmp": true, "sctp": true, "gre": true, "esp": true, "ah": true, "igmp": true, "ipv6-icmp": true,
	"ospf": true, "ipip": true, "pim": true, "vrrp": true, "l2tp": true,
}
