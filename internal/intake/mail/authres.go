package mail

import (
	"strings"

	"github.com/emersion/go-msgauth/authres"
)

// vouched reports whether a mail server of ours says that it has proven the author, before it or the one after it
// changed the mail: the topmost Authentication-Results field of a trusted authserv-id counts, and no other (RFC 8601
// §2.6, §5). That server has to remove fields of its own name that come from outside.
func (d *Desk) vouched(h *head, author string) (signer string, ok bool) {
	if len(d.trusted) == 0 {
		return "", false
	}
	for _, v := range h.get("authentication-results") {
		id, results, err := authres.Parse(bare(v))
		if !d.trusts(id) {
			continue
		}
		if err != nil {
			return "", false
		}
		for _, r := range results {
			if s, ok := r.(*authres.DKIMResult); ok && s.Value == authres.ResultPass && aligned(strings.TrimPrefix(s.Domain, "@"), domainOf(author)) {
				return strings.ToLower(s.Domain), true
			}
		}
		return "", false
	}
	return "", false
}

func (d *Desk) trusts(id string) bool {
	for _, t := range d.trusted {
		if strings.EqualFold(t, id) {
			return true
		}
	}
	return false
}

// bare takes comments and quoted strings out of a field (RFC 5322 §3.2.2, §3.2.4): in them stand words of the sender's,
// and the library takes them for results. A field whose comment or string does not end is empty.
func bare(v string) string {
	var out strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			out.WriteByte(c)
		}
	}
	if quoted || depth > 0 {
		return ""
	}
	return out.String()
}
