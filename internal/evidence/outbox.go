package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/report"
)

// Item is an entry on its way into the log.
type Item struct {
	ID   report.ID
	At   time.Time
	Kind string // word by which entries are counted
	Body []byte // the entry, encoded
}

// NewItem encodes an entry. Its error says what is wrong with it.
func NewItem(e *Entry) (Item, error) {
	body, err := e.Encode()
	if err != nil {
		return Item{}, err
	}
	return Item{ID: e.ID, At: e.At, Kind: string(e.Kind), Body: body}, nil
}

// Validate refuses what could not be appended, or not be found again: the queue is in order, so that one such item would
// hold up all that follow.
func (i *Item) Validate() error {
	switch {
	case len(i.Body) > MaxEntry:
		return fmt.Errorf("an entry of the log has at most %d bytes, this one %d: put a hash of the long part into it", MaxEntry, len(i.Body))
	case bytes.ContainsAny(i.Body, "\r\n"):
		return errors.New("an entry of the log is one line")
	case i.ID.IsZero() || EntryID(i.Body) != i.ID:
		return errors.New(`an entry of the log has its id as "id"`)
	}
	return nil
}

// EntryID is the id of an entry; zero where it has none.
func EntryID(body []byte) report.ID {
	var e struct {
		ID report.ID `json:"id"`
	}
	if json.Unmarshal(body, &e) != nil {
		return report.ID{}
	}
	return e.ID
}

// ErrNoItem says that the outbox has no such item.
var ErrNoItem = errors.New("nobody has handed this entry over, or it was appended long ago")

// Outbox takes entries from every worker of a node. What stands in it is durable, and waits for the one that writes.
type Outbox interface {
	// Enqueue takes items over, all or none. It returns when they are durable. An item that is there already, by its id,
	// stays as it is, so that asking again changes nothing.
	Enqueue(ctx context.Context, items ...Item) error

	// Index returns where in the log an item is; ok is false while it waits. ErrNoItem where there is none.
	Index(ctx context.Context, id report.ID) (index uint64, ok bool, err error)

	// Waiting returns how many items wait, and when the oldest of them came up; the zero time where none does.
	Waiting(ctx context.Context) (n int64, oldest time.Time, err error)

	// Sweep deletes items that came up before a moment and are in the log, and returns how many.
	Sweep(ctx context.Context, before time.Time) (deleted int64, err error)
}

// State is what the database knows of the log, and who may write it.
type State struct {
	Edge  Edge      // of the log, as far as the database saw it
	Chunk int64     // the store's number of the last chunk that has its entry
	Lease Lease     // zero: nobody's
	Until time.Time // when the lease ends
}

// Lease is the right to write the log for a while. Each that took it has a higher term than all before, by which the
// store knows one that wakes up late.
type Lease struct {
	Holder string
	Term   int64
}

// ErrHeld says that another holds the lease, or was faster.
var ErrHeld = errors.New("another worker writes the log")

// ErrLost says that the lease was taken by another.
var ErrLost = errors.New("another worker has taken over the writing of the log")

// Leases keeps the writer's lease, and how far its holder has come.
type Leases interface {
	// State returns the state as it is committed.
	State(ctx context.Context) (State, error)

	// Take makes next the lease until a moment, if nothing has changed since was was read and if was is not another
	// holder's that has not ended at now. Else it is ErrHeld. A holder renews by its own lease, and gives it back by one
	// that has its term and no holder.
	Take(ctx context.Context, was State, next Lease, now, until time.Time) error

	// Pending returns what there is to append: so many items at most that wait, in the order in which they came, and so
	// many chunks at most behind the one with a number, in the order in which they were committed. No chunk that is
	// committed later comes before one that was returned. ErrLost where the lease is not the caller's any more.
	Pending(ctx context.Context, lease Lease, items int, after int64, chunks int) ([]Item, []Chunk, error)

	// Note stores in one transaction how far the holder has come. ErrLost, and nothing is stored, where the lease is not
	// the caller's any more. Items that have an index, or are gone, stay so.
	Note(ctx context.Context, lease Lease, n *Noted) error
}

// Noted is how far the holder of the lease has come.
type Noted struct {
	Edge     *Edge // of the log
	Chunk    int64 // that has its entry, and so have all before
	Appended []Appended
}

// Appended says where an item is in the log.
type Appended struct {
	ID    report.ID
	Index uint64
}
