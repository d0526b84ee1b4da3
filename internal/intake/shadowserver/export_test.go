package shadowserver

import "time"

// SetPace changes the pause between requests.
func (p *Puller) SetPace(d time.Duration) { p.api.pace = d }
