package line

import (
	"encoding/json"
	"sync"
)

// Clocks are those of the devices of a source, and how far each is behind: of the records that a device sent within an
// hour, the one that took least to us says most. A source as a whole is known by the quickest of its devices (see
// Sessions.Clock), which says nothing of the others. The zero value knows nothing.
type Clocks struct {
	mu      sync.Mutex // guards what follows
	devices map[string]*clock
}

// clock is a device's.
type clock struct {
	Hour   int64    // of ours
	Behind [2]int64 // the least seconds from a record's time to its receipt: in that hour, and in the one before
}

const (
	promptClock = 2 // seconds that the quickest of many records may take to us
	maxClocks   = 10_000
)

// Widen makes a record's time as uncertain as its device's clock: by what that is behind, it was later. What is not known
// to the second, or not when it was received, is left as it is.
func (c *Clocks) Widen(r *Record) {
	if r.Received.IsZero() || r.At.Earliest != r.At.Latest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.devices[r.NAS]
	if d == nil {
		if c.devices == nil || len(c.devices) >= maxClocks {
			c.devices = map[string]*clock{}
		}
		d = &clock{Behind: [2]int64{Never, Never}}
		c.devices[r.NAS] = d
	}
	received := r.Received.Unix()
	if hour := received / 3600; hour != d.Hour {
		if d.Behind[1] = d.Behind[0]; hour != d.Hour+1 {
			d.Behind[1] = Never
		}
		d.Hour, d.Behind[0] = hour, Never
	}
	d.Behind[0] = min(d.Behind[0], received-r.At.Latest)
	if behind := min(d.Behind[0], d.Behind[1]); behind > promptClock {
		r.At.Latest += behind
		if !r.Since.IsZero() {
			r.Since.Latest += behind
		}
	}
}

// Behind is by how many seconds the slowest of the clocks is behind that were heard of within the last hours.
func (c *Clocks) Behind(now int64) (most int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.devices {
		behind := min(d.Behind[0], d.Behind[1])
		if d.Hour >= now/3600-1 && behind > promptClock && behind != Never {
			most = max(most, behind)
		}
	}
	return most
}

// MarshalJSON writes what is known, for UnmarshalJSON to read when the program begins again.
func (c *Clocks) MarshalJSON() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.Marshal(c.devices)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Clocks) UnmarshalJSON(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.Unmarshal(b, &c.devices)
}
