package desk

// refusedRows is what one generation refused of one document.
type refusedRows struct {
	rows  map[int64]struct{}
	after int64 // everything behind this row; negative when the document itself was not refused
}

func refusedOf(all []Refusal, document int) *refusedRows {
	r := &refusedRows{rows: map[int64]struct{}{}, after: -1}
	for i := range all {
		switch one := &all[i]; {
		case one.Rest && one.Document < document:
			r.after = 0
		case one.Document != document:
		case one.Row != 0:
			r.rows[one.Row] = struct{}{}
		default:
			r.after = one.After
		}
	}
	return r
}

func (r *refusedRows) has(row int64) bool {
	if r.after >= 0 && row > r.after {
		return true
	}
	_, ok := r.rows[row]
	return ok
}

// Unworked is what a report still owes when work on it ends for a reason that is not in the document: all that this
// generation should have taken and that is not committed. known is what the store says now. A later replay takes just
// that.
func Unworked(known Known, generation int, reason string) []Refusal {
	document, row := 0, int64(0) // the last that is committed
	for d, r := range known.Done {
		if d >= document {
			document, row = d, r
		}
	}
	rest := Refusal{Document: document, After: row, Rest: true, Reason: reason}
	if generation == 0 {
		return []Refusal{rest}
	}
	var owed []Refusal
	for _, r := range known.Refusals {
		before := r.Document < document || r.Document == document && r.Row != 0 && r.Row <= row
		switch {
		case before && r.Rest:
			return append(owed, rest)
		case before: // an event now, or refused again
			continue
		case r.Row == 0 && r.Document == document:
			r.After = max(r.After, row)
		}
		r.Reason, r.Name = reason, ""
		owed = append(owed, r)
	}
	if len(owed) == 0 { // so that the reason has a place
		owed = []Refusal{{Document: document, After: row, Reason: reason}}
	}
	return owed
}
