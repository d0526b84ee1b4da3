package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/formats/letter"
	"tocsin/internal/incident"
	"tocsin/internal/network"
	"tocsin/internal/report"
)

// Partners are the other networks of the partnership.
type Partners interface {
	// Partners returns all that the config names.
	Partners() []network.Partner
}

// Partner is one of them.
type Partner struct {
	ID       string   `access:"id" json:"id" doc:"as in an incident's party, behind partner:"`
	Name     string   `access:"name" json:"name,omitempty"`
	Country  string   `access:"name" json:"country,omitempty" doc:"where it is registered, two letters (ISO 3166-1)"`
	ASNs     []uint32 `access:"networks" json:"asns" doc:"the main one first"`
	Prefixes []string `access:"networks" json:"prefixes"`
	Abuse    string   `access:"contact" json:"abuse,omitempty" doc:"takes abuse reports"`

	Open *OpenCount `access:"counts" json:"open,omitempty" doc:"incidents about it that are open; only where one partner is asked for"`
}

// OpenCount is how many incidents there are.
type OpenCount struct {
	N    int  `json:"n"`
	More bool `json:"more,omitempty" doc:"at least so many: no more were counted"`
}

// Record is access.Shown's.
func (Partner) Record() access.Record { return access.Partner }

func partnerOf(p *network.Partner) Partner {
	out := Partner{
		ID: p.ID, Name: letter.Display(p.Name), Country: p.Country, Abuse: letter.Display(p.Abuse),
		ASNs: make([]uint32, len(p.ASNs)), Prefixes: make([]string, len(p.Prefixes)),
	}
	for i, a := range p.ASNs {
		out.ASNs[i] = uint32(a)
	}
	for i, n := range p.Prefixes {
		out.Prefixes[i] = n.String()
	}
	return out
}

func (a *API) registerPartners() {
	see := need{access.See, access.Partner}
	add(a, see, huma.Operation{
		OperationID: "list-partners", Method: http.MethodGet, Path: "/partners", Summary: "The networks in the partnership, by id",
	}, a.partners)
	add(a, see, huma.Operation{
		OperationID: "show-partner", Method: http.MethodGet, Path: "/partners/{partner}", Summary: "One of them", Errors: []int{404},
	}, a.partner)
}

type partnersInput struct {
	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type partnersOutput struct {
	Body struct {
		Items []Partner `json:"items"`
		Next  string    `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
	}
}

func (a *API) partners(_ context.Context, in *partnersInput) (*partnersOutput, error) {
	all := slices.SortedFunc(slices.Values(a.rooms.Partners.Partners()), func(x, y network.Partner) int { return cmp.Compare(x.ID, y.ID) })
	from, exact := slices.BinarySearchFunc(all, in.After, func(p network.Partner, id string) int { return strings.Compare(p.ID, id) })
	if exact {
		from++
	}
	all = all[from:]
	out := &partnersOutput{}
	if len(all) > in.Limit {
		all = all[:in.Limit]
		out.Body.Next = all[in.Limit-1].ID
	}
	out.Body.Items = make([]Partner, len(all))
	for i := range all {
		out.Body.Items[i] = partnerOf(&all[i])
	}
	return out, nil
}

// PartnerID is a partner's id in a path. It is exported because huma looks into exported fields only.
type PartnerID struct {
	Partner string `path:"partner" doc:"id of the partner"`
}

type partnerOutput struct{ Body Partner }

// countedOpen is how many open incidents of a partner are counted: from there on nobody asks for the number.
const countedOpen = 100

func (a *API) partner(ctx context.Context, in *PartnerID) (*partnerOutput, error) {
	all := a.rooms.Partners.Partners()
	i := slices.IndexFunc(all, func(p network.Partner) bool { return p.ID == in.Partner })
	if i < 0 {
		return nil, huma.Error404NotFound("no partner has this id: network.partners in tocsin.yaml names them")
	}
	out := &partnerOutput{partnerOf(&all[i])}
	if c := access.From(ctx); slices.Contains(c.Fields(access.See, access.Partner), "counts") {
		found, err := a.rooms.Incidents.SearchIncidents(ctx, incident.Query{Party: report.PartyPartner(in.Partner), State: incident.StateOpen, Limit: countedOpen})
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		out.Body.Open = &OpenCount{len(found.Incidents), found.Next != (incident.Cursor{})}
	}
	return out, nil
}
