package resolver

import "time"

// cache has the answers of the last moments, in memory and nowhere else.
type cache struct {
	keep    time.Duration
	answers map[question]*answer
	order   []kept // oldest first
	size    int    // of the answers
}

// kept is an answer's place in the order; the question may have another by now.
type kept struct {
	question question
	answer   *answer
}

const maxCache = 200_000 // sessions, and an answer itself counts as one

// weight is what an answer counts as.
func (a *answer) weight() int { return 1 + len(a.sessions) }

func (c *cache) get(q question, now time.Time) *answer {
	if a := c.answers[q]; a != nil && now.Sub(a.at) < c.keep {
		return a
	}
	return nil
}

func (c *cache) put(q question, a *answer) {
	if c.keep <= 0 {
		return
	}
	if old := c.answers[q]; old != nil {
		c.size -= old.weight()
	}
	c.answers[q] = a
	c.size += a.weight()
	c.order = append(c.order, kept{q, a})
	for len(c.order) > 0 && (c.size > maxCache || a.at.Sub(c.order[0].answer.at) >= c.keep) {
		first := c.order[0]
		c.order[0] = kept{}
		c.order = c.order[1:]
		if c.answers[first.question] == first.answer {
			delete(c.answers, first.question)
			c.size -= first.answer.weight()
		}
	}
}
