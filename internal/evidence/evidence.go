// Package evidence keeps the log of what was done: append-only, signed, and such that anybody who has its folder and the
// node's public key can say whether something in it was changed, cut off or slipped in.
//
// The log is a tree of hashes (RFC 9162 §2.1) in the files of C2SP tlog-tiles, with the head as a signed note (C2SP
// tlog-checkpoint). tessera sequences entries and writes tiles; what it leaves open is closed here: see
// docs/adr/0021-evidence-log.md. An Entry is one act. It holds structure and hashes, never personal data, so that a log
// that cannot forget need not.
package evidence

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxEntry is how many bytes an entry may have: C2SP tlog-tiles writes its length in 16 bits.
const MaxEntry = 1<<16 - 1

var (
	// ErrBusy says that another process writes this log.
	ErrBusy = errors.New("another process writes this evidence log")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("the evidence log is closed")
	// ErrDamaged says that files of the log are not what its checkpoint signs. Nothing is added to such a log: it would sign
	// the damage.
	ErrDamaged = errors.New("the evidence log is damaged: `tocsin log check` names the files, restore them from your backup")
	// ErrRolledBack says that the log is older than, or other than, what was seen of it before.
	ErrRolledBack = errors.New("the evidence log is not the one that was here before: somebody put an older or another one in its place")
	// ErrNone says that there is no log in the folder.
	ErrNone = errors.New("there is no evidence log yet")
)

// Root is a hash of the whole tree.
type Root = [sha256.Size]byte

// Head is the log at one moment.
type Head struct {
	Size       uint64 // entries
	Root       Root
	Checkpoint []byte // the signed note that says so
}

// Seen is a head as somebody else remembers it, the database above all: what the log must have grown out of.
type Seen struct {
	Size uint64
	Root Root
}

// Options say whose log it is.
type Options struct {
	Origin string              // names the log, for as long as it lives: the first line of each checkpoint
	Signer crypto.Signer       // an Ed25519 key, with which checkpoints are signed
	Keys   []ed25519.PublicKey // keys that signed before this one; the signer's own may be among them
	Seen   *Seen               // where the caller remembers a head, the log is opened only if it grew out of that
	Logger *slog.Logger        // may be nil
}

// Log is a log that is open for writing. Its methods may be called by many goroutines.
type Log struct {
	dir     string
	trust   Trust
	signer  noteSigner
	log     *slog.Logger
	storage *posix.Storage
	lock    *os.File
	head    atomic.Pointer[Head]

	requests chan request
	quit     chan struct{} // closed by Close
	done     chan struct{} // closed when the committer has ended
	closed   atomic.Bool

	// The committer's own.
	edge  Edge // of the tree that head says
	stale bool // a batch failed: what is on the disk has to be looked at again
}

// Open opens the log in dir for writing, and makes it where there is none. What a crash left unfinished is finished or
// cleared away: entries for which Append returned are there, others may be. A log whose files contradict its checkpoint
// is not opened (ErrDamaged), nor one that is not what Options.Seen says (ErrRolledBack), nor one that another process
// writes (ErrBusy).
func Open(ctx context.Context, dir string, opts Options) (*Log, error) {
	public, ok := opts.Signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the key of the evidence log is not Ed25519")
	}
	if !validOrigin(opts.Origin) {
		return nil, fmt.Errorf("%q cannot be the origin of a log: write one word, such as example.net/log", opts.Origin)
	}
	l := &Log{
		dir: dir, trust: Trust{Origin: opts.Origin, Keys: append([]ed25519.PublicKey{public}, opts.Keys...)},
		signer: noteSigner{opts.Origin, opts.Signer, public}, log: opts.Logger,
		requests: make(chan request), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("open the evidence log: %w", err)
	}
	var err error
	if l.lock, err = takeLock(dir); err != nil {
		return nil, err
	}
	if err := l.begin(ctx, opts.Seen); err != nil {
		_ = l.lock.Close()
		return nil, fmt.Errorf("open the evidence log %s: %w", dir, err)
	}
	go l.commit() //nolint:contextcheck // a batch that is begun is ended, whoever asked for it
	return l, nil
}

func (l *Log) begin(ctx context.Context, seen *Seen) error {
	if err := l.recover(seen); err != nil {
		return err
	}
	driver, err := newDriver(ctx, l.dir)
	l.storage = driver
	return err
}

// Head is the log as its latest checkpoint says.
func (l *Log) Head() Head { return *l.head.Load() }

// Size is how many entries the latest checkpoint covers.
func (l *Log) Size() uint64 { return l.Head().Size }

// Entries yields the entries [from, to) in order, each checked against its tile. Where to lies beyond the head it ends
// with an error.
func (l *Log) Entries(ctx context.Context, from, to uint64) iter.Seq2[[]byte, error] {
	return entries(ctx, l.dir, l.Size(), from, to)
}

// Prove shows that the entry at index is in the tree of the latest checkpoint.
func (l *Log) Prove(ctx context.Context, index uint64) (Proof, error) {
	return prove(ctx, l.dir, l.Head(), index)
}

// Close ends the log when the batch in hand is done.
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	close(l.quit)
	<-l.done
	return l.lock.Close()
}

// takeLock takes the writer's lock, which goes with the process, however that ends.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the evidence log: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w (%s): only one may, wait for it to end", ErrBusy, dir)
	}
	return nil, fmt.Errorf("lock the evidence log %s: %w", dir, err)
}

// Reader reads a log, also beside the process that writes it. Its head is the one of when it was opened.
type Reader struct {
	dir  string
	head Head
}

// OpenReader opens the log in dir for reading. Its checkpoint must be signed by a key of trust; ErrNone says that there
// is no log.
func OpenReader(dir string, trust Trust) (*Reader, error) {
	head, err := readHead(dir, trust)
	if err != nil {
		return nil, err
	}
	return &Reader{dir: dir, head: head}, nil
}

// Head is the log as its checkpoint said when it was opened.
func (r *Reader) Head() Head { return r.head }

// Entries is Log.Entries.
func (r *Reader) Entries(ctx context.Context, from, to uint64) iter.Seq2[[]byte, error] {
	return entries(ctx, r.dir, r.head.Size, from, to)
}

// Prove is Log.Prove.
func (r *Reader) Prove(ctx context.Context, index uint64) (Proof, error) {
	return prove(ctx, r.dir, r.head, index)
}

// Proof shows that one entry is in a tree. It is worth what the signature of its checkpoint is.
type Proof struct {
	Index uint64
	Head  Head
	Path  tlog.RecordProof
}

// Check reports whether the proof is one for this entry.
func (p Proof) Check(entry []byte) error {
	return tlog.CheckRecord(p.Path, int64(p.Head.Size), p.Head.Root, int64(p.Index), tlog.RecordHash(entry))
}

// Step is one step on the way from an entry's leaf to the root.
type Step struct {
	Hash Root // the neighbour
	Left bool // it stands on the left
	Then Root // what there is after the step
}

// Steps is the proof spelt out, for people who check it by hand: the hash of the entry's leaf, and how the neighbours on
// its path make the root of it. It holds what Check holds only where Check says so.
func (p Proof) Steps(entry []byte) (steps []Step, leaf Root) {
	leaf = Root(tlog.RecordHash(entry))
	at, last, now := p.Index, p.Head.Size-1, leaf
	for _, h := range p.Path { // RFC 9162 §2.1.3.2
		s := Step{Hash: Root(h), Left: at%2 == 1 || at == last}
		if s.Left {
			now = hashOf([]byte{1}, h[:], now[:])
			for at%2 == 0 && at != 0 {
				at, last = at/2, last/2
			}
		} else {
			now = hashOf([]byte{1}, now[:], h[:])
		}
		at, last = at/2, last/2
		s.Then = now
		steps = append(steps, s)
	}
	return steps, leaf
}
