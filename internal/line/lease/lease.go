// Package lease is what the readers of DHCP servers' lease files share: what names a line.
package lease

// Identity is what names a line.
type Identity string

// What may name a line. Circuit and Remote are what the relay agent says of the port (RFC 3046 §3, RFC 4649, RFC 8415
// §21.18): a customer cannot choose them, as he can the others.
const (
	Hardware Identity = "hardware" // the hardware address; the default
	Client   Identity = "client"   // client identifier, or DUID
	Circuit  Identity = "circuit"  // circuit id, or interface id
	Remote   Identity = "remote"   // remote id
)

// Identities are all of them.
var Identities = []Identity{Hardware, Client, Circuit, Remote}
