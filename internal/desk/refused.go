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
