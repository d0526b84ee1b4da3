package sqlsource

import (
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/line/database"
)

// Identities are the columns of radacct that may name a line; the first is the default.
var Identities = []string{"username", "callingstationid", "nasportid", "class"}

// CheckIdentity says that a column cannot name a line; "" can.
func CheckIdentity(name string) error {
	if name == "" || slices.Contains(Identities, name) {
		return nil
	}
	return fmt.Errorf("%q cannot name a line: write one of %s", name, strings.Join(Identities, ", "))
}

// Radacct is the query for FreeRADIUS's table. A row changed when it ended, or else when an interim update came, or else
// when it began: FreeRADIUS sets acctupdatetime at the end on some databases only.
func Radacct(engine database.Engine, identity string) string {
	address, nas := func(column string) string { return column }, "nasipaddress"
	if engine == database.PostgreSQL { // inet, which has the length behind it
		address = func(column string) string { return "CAST(" + column + " AS text)" }
		nas = "host(nasipaddress)"
	}
	if identity == "" {
		identity = Identities[0]
	}
	return `SELECT ` + identity + ` AS line, ` + nas + ` AS nas, acctuniqueid AS session,
  ` + address("framedipaddress") + ` AS address, ` + address("framedipv6address") + ` AS address6,
  ` + address("framedipv6prefix") + ` AS prefix, ` + address("delegatedipv6prefix") + ` AS delegated,
  acctstarttime AS start, acctupdatetime AS updated, acctstoptime AS stop, acctterminatecause AS cause
FROM radacct
WHERE acctstoptime >= {from} AND acctstoptime < {to}
  OR acctstoptime IS NULL AND acctupdatetime >= {from} AND acctupdatetime < {to}
  OR acctstoptime IS NULL AND acctstarttime >= {from} AND acctstarttime < {to}
ORDER BY COALESCE(acctstoptime, acctupdatetime, acctstarttime)`
}
