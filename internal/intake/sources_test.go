package intake_test

import (
	"testing"

	"tocsin/internal/intake"
)

// TestOfAuthor: the address itself before its domain, the nearest domain before those above.
func TestOfAuthor(t *testing.T) {
	s := intake.NewSources([]intake.Source{
		{Name: "all", From: []string{"net.example"}},
		{Name: "noc", From: []string{"noc.net.example"}},
		{Name: "ann", From: []string{"Ann@noc.net.example"}},
	})
	for address, want := range map[string]string{
		"ann@noc.net.example": "ann", "bob@noc.net.example": "noc", "x@y.noc.net.example": "noc", "ann@net.example": "all",
		"ann@xnet.example": "", "ann@example": "", "a@shadowserver.org": "shadowserver", "net.example@evil.example": "", "": "",
	} {
		if src, ok := s.OfAuthor(address); src.Name != want || ok != (want != "") {
			t.Errorf("%s is of %q, want %q", address, src.Name, want)
		}
	}
}
