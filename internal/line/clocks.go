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
	devices map[string]*Clock
}

// Clock is a device's, by how long its records take to us. It begins with NewClock.
type Clock struct {
	Hour   int64    // of ours
	Behind [2]int64 // the least seconds from a record's time to its receipt: in that hour, and in the one before
}

// NewClock is that of a device of which nothing was heard.
func NewClock() Clock { return Clock{Behind: [2]int64{Never, Never}} }

// Prompt is how many seconds the quickest of many records may take to us: what takes more is of a clock that is behind.
const Prompt = 2

const maxClocks = 10_000

// Took notes how many seconds a record took to us that was received at a second of Unix time, and returns Least.
func (c *Clock) Took(received, seconds int64) int64 {
	if hour := received / 3600; hour != c.Hour {
		if c.Behind[1] = c.Behind[0]; hour != c.Hour+1 {
			c.Behind[1] = Never
		}
		c.Hour, c.Behind[0] = hour, Never
	}
	c.Behind[0] = min(c.Behind[0], seconds)
	return c.Least()
}

// Least is how many seconds the quickest record of this hour and the one before took to us; Never: there was none.
func (c *Clock) Least() int64 { return min(c.Behind[0], c.Behind[1]) }

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
			c.devices = map[string]*Clock{}
		}
		of := NewClock()
		d = &of
		c.devices[r.NAS] = d
	}
	received := r.Received.Unix()
	if behind := d.Took(received, received-r.At.Latest); behind > Prompt {
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
		behind := d.Least()
		if d.Hour >= now/3600-1 && behind > Prompt && behind != Never {
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
