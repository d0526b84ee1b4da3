package store

import (
	"maps"
	"sync"
)

// maxCopies is how many blocks are kept in memory, one column each: 128 MB, enough for four million incidents.
const maxCopies = 32_000

// copies are columns of full blocks which do not change, kept in memory from one search to the next. They are good as
// long as nothing was wiped since: who reads another state of the database goes without.
type copies struct {
	mu     sync.Mutex // guards what follows, for as long as a map takes
	wiped  map[int64]int64
	bodies map[int64][]byte // never written to
}

// take returns the copies of one column of blocks; nil where there is none.
func (c *copies) take(list columnList, wiped int64, column int, blocks []int64) [][]byte {
	bodies := make([][]byte, len(blocks))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wiped[list.number] == wiped {
		for i, block := range blocks {
			bodies[i] = c.bodies[list.at(column, block)]
		}
	}
	return bodies
}

// keep takes up what was read.
func (c *copies) keep(list columnList, wiped int64, column int, fresh map[int64][]byte) {
	if len(fresh) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch was := c.wiped[list.number]; {
	case was > wiped:
		return
	case was < wiped:
		maps.DeleteFunc(c.bodies, func(at int64, _ []byte) bool { return at>>48 == list.number })
	case len(c.bodies)+len(fresh) > maxCopies:
		clear(c.bodies)
	}
	if c.bodies == nil {
		c.wiped, c.bodies = map[int64]int64{}, map[int64][]byte{}
	}
	c.wiped[list.number] = wiped
	for block, body := range fresh {
		c.bodies[list.at(column, block)] = body
	}
}
