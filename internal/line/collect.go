package line

import (
	"context"
	"slices"
)

// Collect returns what each source says of an address within q, and of the addresses behind it, by the source's place
// among Sources. It is in true time: what a clock may have been off has been taken off. It is for what has to be kept
// longer than the rest, and answers nobody.
func (r *Room) Collect(ctx context.Context, a Address, port uint16, proto string, q Span) ([][]Session, error) {
	out := make([][]Session, len(r.Sources))
	return out, r.collect(ctx, a, port, proto, q, 0, out)
}

func (r *Room) collect(ctx context.Context, a Address, port uint16, proto string, q Span, depth int, out [][]Session) error {
	var behind []Session
	for i, s := range r.Sources {
		off := s.Clock(q)
		_, err := s.Each(ctx, a, port, proto, q.widened(off), func(x Session) {
			x.Possible, x.Certain = x.Possible.widened(off), x.Certain.widened(-off)
			if x.Certain.Empty() {
				x.Certain = Span{}
			}
			if !x.Possible.Meets(q) || slices.Contains(out[i], x) || len(out[i]) >= maxClaims {
				return
			}
			out[i] = append(out[i], x)
			if x.Holder.Line == 0 && depth < maxInside {
				behind = append(behind, x)
			}
		})
		if err != nil {
			return err
		}
	}
	for i := range behind {
		b := &behind[i]
		if err := r.collect(ctx, b.Holder.Inside, 0, "", q.And(b.Possible), depth+1, out); err != nil {
			return err
		}
	}
	return nil
}
