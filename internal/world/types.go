package world

import (
	"slices"
	"strings"

	"tocsin/internal/report"
)

// reportType is one type of Shadowserver report. Names of types and columns, classes and identifiers are facts of
// the public report schema of March 2026 (github.com/The-Shadowserver-Foundation/report_schema); the values are
// made up here.
type reportType struct {
	name     string
	kind     report.Kind
	thing    string // the schema's identifier; empty where a column of the row says it
	severity string
	proto    string
	port     uint16 // service that is scanned; 0 where the row has the device's own port
	layout   string // scanColumns, eventColumns or empty
	columns  string // after the layout's, separated by spaces
	values   string // COLUMN=VALUE, one a line, alternatives separated by "||"; see ops for the words with a $
}

// What most types begin with.
const (
	scanColumns = "timestamp severity ip protocol port hostname tag asn geo region city naics hostname_source sector"

	eventColumns = "timestamp protocol src_ip src_port src_asn src_geo src_region src_city src_hostname src_naics " +
		"src_sector device_vendor device_type device_model severity dst_ip dst_port dst_asn dst_geo dst_region " +
		"dst_city dst_hostname dst_naics dst_sector public_source infection family tag application version event_id"

	deviceColumns = "device_vendor device_type device_model device_version device_sector"

	httpColumns = "http http_code http_reason content_type connection www_authenticate set_cookie server " +
		"content_length transfer_encoding http_date"

	rdpColumns = "handshake rdp_protocol cert_length subject_common_name issuer_common_name cert_issue_date " +
		"cert_expiration_date sha1_fingerprint cert_serial_number ssl_version signature_algorithm key_algorithm " +
		"sha256_fingerprint sha512_fingerprint md5_fingerprint tlsv13_support tlsv13_cipher jarm"

	snmpColumns = deviceColumns + " version sysname sysdesc community response_size amplification uptime " +
		"mac_address vendor_id vendor"

	iotColumns = "device_vendor device_type device_model device_version source_type category family status detail " +
		"public_source account server_host_key malpubkey_sha256"

	siteColumns = "application url http_host category system detected_since server redirect_target cc_url family " +
		"status account detail public_source"
)

// commonValues are the columns that mean the same in every type.
const commonValues = `timestamp=$time
ip=$addr
src_ip=$addr
port=$port
src_port=$port
asn=$asn
src_asn=$asn
geo=$cc
src_geo=$cc
region=$region
src_region=$region
city=$city
src_city=$city
hostname=$host
src_hostname=$host
naics=517311
src_naics=517311
sector=Communications, Service Provider, and Hosting Service
src_sector=Communications, Service Provider, and Hosting Service
dst_ip=$dst
dst_asn=64496
dst_geo=XC
dst_region=HARBOUR
dst_city=SINKHOLE
dst_naics=518210
dst_sector=Communications, Service Provider, and Hosting Service
event_id=$event16
device_vendor=Exampletron||Acme||Initech||Globex
device_type=router||camera||recorder||set-top box
device_model=EX-2000||A7||IT-12c||GX one
device_version=1.0.4||2.3||7.0.11
device_sector=consumer`

const httpValues = `
http=HTTP/1.1
http_code=401||200||404
http_reason=Unauthorized||OK||Not Found
content_type=text/html||text/html; charset=utf-8
connection=keep-alive||close
www_authenticate=Basic realm="index"||Digest realm="HuaweiHomeGateway", nonce="88645cefb1f9ede0e336e3569d75ee30", qop="auth"
server=RomPager/4.07 UPnP/1.0||lighttpd/1.4.39||mini_httpd/1.19||gSOAP/2.7
content_length=0||162||1024
http_date=$http
version=1.1`

const rdpValues = `
handshake=TLSv1.2||TLSv1.1
rdp_protocol=RDP||CredSSP
cert_length=2048
subject_common_name=DESKTOP-EXAMPLE||SRV01.office.example||TS2.shop.example
issuer_common_name=DESKTOP-EXAMPLE||SRV01.office.example||TS2.shop.example
cert_issue_date=2025-11-03 08:12:44
cert_expiration_date=2026-05-05 08:12:44
sha1_fingerprint=$sum20
cert_serial_number=$hex16
ssl_version=2
signature_algorithm=sha256WithRSAEncryption
key_algorithm=rsaEncryption
sha256_fingerprint=$sum32
md5_fingerprint=$sum16
jarm=$hex31`

const snmpValues = `
version=2
sysname=gw||home-router||printer
sysdesc=Linux gw 4.9.198 #1 SMP armv7l||EX-2000 Wireless Router||Acme Print Server V2.13
community=public
response_size=92||110||313
amplification=2.19||2.62||7.45
uptime=4 days, 11:32:57.18||39 days, 3:08:20.51
vendor_id=8072
vendor=net-snmp`

const iotValues = `
tag=compromised;iot
category=device implant||ssh backdoor
family=gayfemboy||aisuru||vo1d
status=compromised
source_type=scan
detail=implant answers on its own port||key of the campaign in authorized_keys
server_host_key=$hex32
malpubkey_sha256=$hex32`

const sinkholeValues = `
dst_port=80||443||8080||4455
infection=$thing
family=$thing
tag=$thing
application=
ssl_servername=||update.sinkholed.example`

// Kinds that the table needs.
var (
	kindVulnerable = report.Kind{Class: "vulnerable", Type: "vulnerable-system"}
	kindInfected   = report.Kind{Class: "malicious-code", Type: "infected-system"}
	kindCompromise = report.Kind{Class: "intrusions", Type: "system-compromise"}
	kindBruteForce = report.Kind{Class: "intrusion-attempts", Type: "brute-force"}
	kindOther      = report.Kind{Class: "other", Type: "other"}
	kindMalwareURL = report.Kind{Class: "malicious-code", Type: "malware-distribution"}
)

// reportTypes are the types that the made-up world is seen by.
var reportTypes = []reportType{
	{"scan_telnet", kindVulnerable, "open-telnet", "medium", "tcp", 23, scanColumns, "banner", `
tag=telnet||telnet;login
banner=login:||Login:|Password:||EX-2000 login:||BusyBox v1.19.4 built-in shell|login:`},
	{"scan_rdp", kindVulnerable, "open-rdp", "high", "tcp", 3389, scanColumns, rdpColumns, "\ntag=rdp" + rdpValues},
	{"scan6_rdp", kindVulnerable, "open-rdp", "high", "tcp", 3389, scanColumns, rdpColumns, "\ntag=rdp" + rdpValues},
	{"scan_dns", kindVulnerable, "dns-open-resolver", "medium", "udp", 53, scanColumns, "dns_version min_amplification", `
tag=openresolver
dns_version=dnsmasq-2.40||dnsmasq-2.78||unbound 1.9.0||
min_amplification=1.3810||4.6190`},
	{"scan6_dns", kindVulnerable, "dns-open-resolver", "medium", "udp", 53, scanColumns, "dns_version min_amplification", `
tag=openresolver
dns_version=dnsmasq-2.40||dnsmasq-2.78||unbound 1.9.0||
min_amplification=1.3810||4.6190`},
	{"scan_ssdp", kindVulnerable, "open-ssdp", "high", "udp", 1900, scanColumns, "header systime cache_control " +
		"location server search_target unique_service_name host nts nt content_type server_port instance version " +
		"updated_at resource_identifier amplification response_size", `
tag=ssdp
header=HTTP/1.1 200 OK
systime=$http
cache_control=max-age=100||max-age=1800
location=http://gateway.example:49152/description.xml
server=Linux/2.6.26, UPnP/1.0, Portable SDK for UPnP devices/1.3.1||EX-2000 UPnP/1.1 MiniUPnPd/2.1
search_target=upnp:rootdevice
unique_service_name=uuid:28802880-2880-1880-a880-001bc502f600::upnp:rootdevice
amplification=3.35||9.81
response_size=325||951`},
	{"scan_mdns", kindVulnerable, "open-mdns", "medium", "udp", 5353, scanColumns, "mdns_name mdns_ipv4 mdns_ipv6 " +
		"services workstation_name workstation_ipv4 workstation_ipv6 workstation_info http_name http_ipv4 http_ipv6 " +
		"http_ptr http_info http_target http_port spotify_name spotify_ipv4 spotify_ipv6 opc_ua_discovery", `
tag=mdns
mdns_name=nas.local.||printer.local.
services=_smb._tcp.local.; _device-info._tcp.local.; _http._tcp.local.; _dacp._tcp.local.;
workstation_name=nas [00:00:5e:00:53:01]._workstation._tcp.local.
http_name=nas||printer
http_ptr=nas._http._tcp.local.
http_target=nas.local.
http_port=80||5000`},
	{"scan_snmp", kindVulnerable, "open-snmp", "high", "udp", 161, scanColumns, snmpColumns, "\ntag=snmp" + snmpValues},
	{"scan6_snmp", kindVulnerable, "open-snmp", "high", "udp", 161, scanColumns, snmpColumns, "\ntag=snmp" + snmpValues},
	{"scan_ntp", kindVulnerable, "ntp-version", "medium", "udp", 123, scanColumns, "version clk_wander clock error " +
		"frequency jitter leap mintc noise offset peer phase poll precision processor refid reftime rootdelay " +
		"rootdispersion stability state stratum system tai tc response_size amplification", `
tag=ntp
version=ntpd 4.2.6p5@1.2349-o||4
clk_wander=0.019
clock=0xED5A1B2C.4F5A9C7D
frequency=-12.718||3.204
jitter=0.977||4.113
leap=0
mintc=3
offset=0.114||-1.803
peer=49152
precision=-20
processor=armv7l||mips
refid=192.0.2.250
reftime=0xED5A18F1.1B2C3D4E
rootdelay=9.181
rootdispersion=41.220
stratum=3
system=Linux/4.9.198||UNIX
tc=10
response_size=364||296
amplification=30.33||24.67`},
	{"scan_smb", kindVulnerable, "open-smb", "high", "tcp", 445, scanColumns, "arch key smb_major_number " +
		"smb_minor_number smb_revision smb_version_string", `
tag=smb
arch=x64||x86
key=$hex16
smb_major_number=2||1
smb_minor_number=1||0
smb_revision=0
smb_version_string=SMB 2.1||SMB 1.0`},
	{"scan_cwmp", kindVulnerable, "open-cwmp", "medium", "tcp", 7547, scanColumns, httpColumns, "\ntag=cwmp" + httpValues},
	{"scan6_cwmp", kindVulnerable, "open-cwmp", "medium", "tcp", 7547, scanColumns, httpColumns, "\ntag=cwmp" + httpValues},
	{"scan_http", kindOther, "accessible-http", "low", "tcp", 80, scanColumns, httpColumns + " version", "\ntag=http" + httpValues},
	{"scan6_http", kindOther, "accessible-http", "low", "tcp", 80, scanColumns, httpColumns + " version", "\ntag=http" + httpValues},
	{"scan_netbios", kindVulnerable, "open-netbios-nameservice", "high", "udp", 137, scanColumns, "mac_address " +
		"workgroup machine_name username response_size amplification", `
tag=netbios
mac_address=00-00-5E-00-53-0A||00-00-5E-00-53-7F
workgroup=WORKGROUP||OFFICE
machine_name=PC-FRONTDESK||NAS||TILL-2
response_size=229||157
amplification=4.58||3.14`},
	{"scan_isakmp", kindVulnerable, "open-ike", "low", "udp", 500, scanColumns, "initiator_spi responder_spi " +
		"next_payload exchange_type flags message_id next_payload2 domain_of_interpretation protocol_id spi_size " +
		"notify_message_type response_size amplification", `
tag=isakmp
initiator_spi=$hex8
responder_spi=$hex8
next_payload=11
exchange_type=5
flags=0
message_id=00000000
next_payload2=0
domain_of_interpretation=1
protocol_id=1
spi_size=0
notify_message_type=14
response_size=84||40
amplification=1.05||0.50`},
	{"event4_sinkhole", kindInfected, "", "critical", "tcp", 0, eventColumns, "ssl_cipher ssl_servername", sinkholeValues},
	{"event6_sinkhole", kindInfected, "", "critical", "tcp", 0, eventColumns, "ssl_cipher ssl_servername", sinkholeValues},
	{"event4_sinkhole_http", kindInfected, "", "critical", "tcp", 0, eventColumns, "http_url http_host http_agent " +
		"forwarded_by ssl_cipher http_referer ssl_servername machine_name", sinkholeValues + `
http_url=POST /v1/terminal/config HTTP/1.1||GET /gate.php?id=77 HTTP/1.1
http_host=cdn.sinkholed.example||api.sinkholed.example
http_agent=Dalvik/2.1.0 (Linux; U; Android 10; A7 Build/QP1A)||okhttp/3.12.1`},
	{"event4_honeypot_brute_force", kindBruteForce, "", "critical", "tcp", 0, eventColumns, "service start_time " +
		"end_time client_version username password payload_url payload_md5 vulnerability_enum vulnerability_id " +
		"vulnerability_class vulnerability_score vulnerability_severity vulnerability_version target_vendor " +
		"target_product target_class", `
dst_port=22||2222
public_source=TRAPLINE
application=$thing
tag=brute-force
service=$thing
start_time=$iso
end_time=$iso
client_version=b'SSH-2.0-Go'||b'SSH-2.0-libssh_0.9.6'
username=root||admin||ubnt||support
password=123456||admin||xc3511||`},
	{"blocklist", kindOther, "blacklisted-ip", "low", "", 0, "", "timestamp severity ip hostname source reason asn " +
		"geo region city naics sector tag", `
source=Example Reputation||Mailhaven DNSBL
reason=Spam sender||Dictionary attack
tag=spam`},
	{"compromised_website", kindCompromise, "compromised-website", "critical", "tcp", 80, scanColumns, siteColumns, `
tag=hacked-webserver||hacked-webserver;phishing
application=http
url=$url
http_host=$urlhost
category=phishing||webshell
system=WordPress||Joomla
server=Apache/2.4.41
family=fakelogin||wso
detail=kit under wp-content/uploads||
public_source=crawler`},
	{"compromised_iot", kindCompromise, "compromised-iot", "critical", "tcp", 8888, scanColumns, iotColumns, iotValues},
	{"compromised_iot6", kindCompromise, "compromised-iot", "critical", "tcp", 8888, scanColumns, iotColumns, iotValues},
	{"malware_url", kindMalwareURL, "malware-url", "critical", "", 80, "", "timestamp url hostname ip asn geo region " +
		"city naics sector severity port tag source sha256 application", `
url=$url
hostname=$urlhost
tag=mozi||elf;mirai
source=urlcheck
sha256=$hex32
application=http`},
}

// findType returns the type of that name; the tables of this package name none that is missing, which a test
// checks by using them all.
func findType(name string) *reportType {
	for i := range reportTypes {
		if reportTypes[i].name == name {
			return &reportTypes[i]
		}
	}
	panic("world: no report type " + name)
}

func (t *reportType) allColumns() []string { return strings.Fields(t.layout + " " + t.columns) }

// value is what a column holds for one variant of device: the type's own value, else the common one, else nothing.
func (t *reportType) value(column string, variant int) string {
	switch column {
	case "severity":
		return t.severity
	case "protocol":
		return t.proto
	}
	for _, table := range [2]string{t.values, commonValues} {
		for line := range strings.Lines(table) {
			name, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if name == column {
				all := strings.Split(v, "||")
				return all[variant%len(all)]
			}
		}
	}
	return ""
}

// onIPv6 reports whether the type is about IPv6 addresses; its name says so.
func (t *reportType) onIPv6() bool {
	stem, _, _ := strings.Cut(t.name, "_")
	return strings.HasSuffix(stem, "6") || strings.HasSuffix(t.name, "6")
}

func (t *reportType) hasPort() bool {
	columns := t.allColumns()
	return slices.Contains(columns, "port") || slices.Contains(columns, "src_port")
}
