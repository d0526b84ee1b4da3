package console

// todayView is what needs a human, and how the loop runs.
type todayView struct{}

// today is the first page.
func (v *visit) today() error { return v.show("today", todayView{}) }
