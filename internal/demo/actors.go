package demo

import (
	"tocsin/internal/access"
	"tocsin/internal/console"
)

// actors are people of the made-up world, one for each role: whoever looks at the demo switches between them.
func actors() []console.Actor {
	one := func(name, party, about string, roles ...access.Role) console.Actor {
		return console.Actor{Caller: access.Caller{Name: name, Party: party, Roles: roles, Via: access.BySession, Zone: "Europe/London"}, About: about}
	}
	return []console.Actor{
		one("dana.desk", access.Own, "Dana, abuse desk", access.Desk),
		one("aziz.approver", access.Own, "Aziz, second person", access.Approver),
		one("ada.admin", access.Own, "Ada, administrator", access.Admin),
		one("olga.officer", "police", "Olga, police officer", access.Officer),
		one("carl.csirt", "csirt", "Carl, national CSIRT", access.CSIRT),
		one("asta.association", "association", "Asta, trade association", access.Association),
		one("ove.oversight", "oversight", "Ove, oversight body", access.Oversight),
	}
}
