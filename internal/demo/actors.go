package demo

import (
	"context"
	"strings"

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

// welcome makes accounts for the actors, so that the pages about people show somebody. They are made before the node
// runs, and nobody knows their passwords.
func (s *stage) welcome(ctx context.Context) error {
	parties := []access.Party{
		{ID: "police", Name: "Police", Kind: access.PoliceParty},
		{ID: "csirt", Name: "National CSIRT", Kind: access.CSIRTParty},
		{ID: "association", Name: "Association of providers", Kind: access.AssociationParty},
		{ID: "oversight", Name: "Oversight body", Kind: access.OversightParty},
	}
	s.actors = actors()
	profiles := make([]access.Profile, len(s.actors))
	for i, a := range s.actors {
		name, _, _ := strings.Cut(a.About, ",")
		profiles[i] = access.Profile{Login: a.Caller.Name, Name: name, Party: a.Caller.Party, Roles: a.Caller.Roles}
	}
	people, err := s.app.Welcome(ctx, parties, profiles)
	for i := range people {
		s.actors[i].Caller.Person = people[i].ID
	}
	return err
}
