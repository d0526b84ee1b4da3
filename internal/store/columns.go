package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Search goes through columns instead of indexes. An index over incidents costs an import more than all else that it
// does for an incident, because each entry goes to another place of it; half a dozen made imports four times as slow. A
// number of four bytes in a column costs next to nothing, and looking through the column of a million incidents takes
// some milliseconds.
//
// A list has entries, numbered from 0 in the order of commits, and of each entry the same columns. blockSize entries
// make a block, of which each column is a row of its own, so that a search reads those that it needs. Entries that do
// not fill a block yet are in the list's tail, those of one commit in a row, so that a small commit writes little. What
// a column says of an entry may change; that and the appending wait for their turn on PostgreSQL (dialect.fold).

// blockSize is how many entries make a block: a column of it fits into a page of SQLite.
const blockSize = 1000

// columnList is one of the lists.
type columnList struct {
	number  int64
	columns int
}

// at names one column of a block.
func (l columnList) at(column int, block int64) int64 { return (l.number<<8|int64(column))<<40 | block }

// tail names the row of the tail that begins with an entry.
func (l columnList) tail(place int64) int64 { return l.number<<48 | place }

// changes reports whether a column says something else of an entry as time goes on, beside that the entry is gone.
func (l columnList) changes(column int) bool { return l == incidentList() && column == columnStanding }

// columnWriter changes a list in one transaction.
type columnWriter struct {
	ctx     context.Context //nolint:containedctx // lives as long as one transaction
	tx      *sql.Tx
	db      *DB
	list    columnList
	begun   bool
	entries int64    // before the transaction
	fresh   []uint32 // of the entries that it adds, entry by entry
	sets    map[int64][]setting
	wipes   bool // what was set takes out what was said of entries: copies of blocks are no longer good
}

// setting is a new value in one column of an entry.
type setting struct {
	place  int64
	column int
	value  uint32
}

func newColumnWriter(ctx context.Context, tx *sql.Tx, db *DB, list columnList) *columnWriter {
	return &columnWriter{ctx: ctx, tx: tx, db: db, list: list, sets: map[int64][]setting{}}
}

func (w *columnWriter) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	return w.tx.QueryRowContext(w.ctx, w.db.dialect.sql(`SELECT entries FROM search_lists WHERE list = ?`), w.list.number).Scan(&w.entries)
}

// add appends an entry and returns its number.
func (w *columnWriter) add(values ...uint32) (place int64, err error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	place = w.entries + int64(len(w.fresh)/w.list.columns)
	w.fresh = append(w.fresh, values...)
	return place, nil
}

// set changes one column of an entry that was there before.
func (w *columnWriter) set(place int64, column int, value uint32) {
	block := place / blockSize
	w.sets[block] = append(w.sets[block], setting{place, column, value})
}

// flush writes what was added and set.
func (w *columnWriter) flush() error {
	if len(w.fresh) == 0 && len(w.sets) == 0 {
		return nil
	}
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.change(); err != nil {
		return err
	}
	if w.wipes {
		w.wipes = false
		if _, err := w.tx.ExecContext(w.ctx, w.db.dialect.sql(`UPDATE search_lists SET wiped = wiped + 1 WHERE list = ?`), w.list.number); err != nil {
			return err
		}
	}
	if err := w.changeTail(); err != nil {
		return err
	}
	if len(w.fresh) == 0 {
		return nil
	}
	if err := w.append(); err != nil {
		return err
	}
	w.entries += int64(len(w.fresh) / w.list.columns)
	w.fresh = w.fresh[:0]
	_, err := w.tx.ExecContext(w.ctx, w.db.dialect.sql(`UPDATE search_lists SET entries = ? WHERE list = ?`), w.entries, w.list.number)
	return err
}

// change writes what was set in full blocks.
func (w *columnWriter) change() error {
	byRow := map[int64][]setting{}
	for block, sets := range w.sets {
		if (block+1)*blockSize > w.entries {
			continue
		}
		for _, s := range sets {
			at := w.list.at(s.column, block)
			byRow[at] = append(byRow[at], s)
		}
		delete(w.sets, block)
	}
	rows := slices.Sorted(maps.Keys(byRow))
	for part := range slices.Chunk(rows, writeBatch) {
		bodies, err := readBodies(w.ctx, w.tx, w.db, part)
		if err != nil {
			return err
		}
		var changed []any
		for _, at := range part {
			body := bodies[at]
			if len(body) != 4*blockSize {
				return fmt.Errorf("a block of the search is not there: %w", ErrDamaged)
			}
			same := true
			for _, s := range byRow[at] {
				b := body[4*(s.place%blockSize):]
				same = same && binary.LittleEndian.Uint32(b) == s.value
				binary.LittleEndian.PutUint32(b, s.value)
			}
			if !same {
				changed = append(changed, at, body)
			}
		}
		if err := w.write(`search_columns`, changed); err != nil {
			return err
		}
	}
	return nil
}

// changeTail writes what was set in the tail.
func (w *columnWriter) changeTail() error {
	if len(w.sets) == 0 {
		return nil
	}
	rows, err := w.tails()
	if err != nil {
		return err
	}
	size := 4 * w.list.columns
	changed := map[int64][]byte{}
	for _, sets := range w.sets {
		for _, s := range sets {
			i, ok := slices.BinarySearchFunc(rows, s.place, func(r tailRow, place int64) int {
				switch {
				case r.first+int64(len(r.body)/size) <= place:
					return -1
				case r.first > place:
					return 1
				}
				return 0
			})
			if !ok {
				return fmt.Errorf("the tail of the search is not there: %w", ErrDamaged)
			}
			r := &rows[i]
			binary.LittleEndian.PutUint32(r.body[int(s.place-r.first)*size+4*s.column:], s.value)
			changed[r.first] = r.body
		}
	}
	clear(w.sets)
	var args []any
	for _, first := range slices.Sorted(maps.Keys(changed)) {
		args = append(args, w.list.tail(first), changed[first])
	}
	return w.write(`search_tail`, args)
}

// append adds the fresh entries to the tail, and makes blocks of what fills them.
func (w *columnWriter) append() error {
	begin := w.entries / blockSize * blockSize // first entry of the tail
	end := w.entries + int64(len(w.fresh)/w.list.columns)
	if end-begin < blockSize {
		return w.write(`search_tail`, []any{w.list.tail(w.entries), pack(w.fresh)})
	}
	rows, err := w.tails()
	if err != nil {
		return err
	}
	var all []uint32
	for _, r := range rows {
		for b := r.body; len(b) >= 4; b = b[4:] {
			all = append(all, binary.LittleEndian.Uint32(b))
		}
	}
	if int64(len(all)/w.list.columns) != w.entries-begin {
		return fmt.Errorf("the tail of the search is not there: %w", ErrDamaged)
	}
	all = append(all, w.fresh...)
	var args []any
	for ; end-begin >= blockSize; begin += blockSize {
		for c := range w.list.columns {
			body := make([]byte, 0, 4*blockSize)
			for i := range blockSize {
				body = binary.LittleEndian.AppendUint32(body, all[i*w.list.columns+c])
			}
			args = append(args, w.list.at(c, begin/blockSize), body)
		}
		all = all[blockSize*w.list.columns:]
	}
	if err := w.write(`search_columns`, args); err != nil {
		return err
	}
	if len(rows) > 0 {
		if _, err := w.tx.ExecContext(w.ctx, w.db.dialect.sql(`DELETE FROM search_tail WHERE at >= ? AND at < ?`),
			w.list.tail(0), w.list.tail(begin)); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	return w.write(`search_tail`, []any{w.list.tail(begin), pack(all)})
}

func pack(values []uint32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// write inserts or replaces rows: name and body of each.
func (w *columnWriter) write(table string, args []any) error {
	for part := range slices.Chunk(args, 2*writeBatch) {
		if _, err := w.tx.ExecContext(w.ctx, w.db.dialect.sql(`INSERT INTO `+table+` (at, body) VALUES `+w.db.dialect.rows(len(part)/2, 2)+
			` ON CONFLICT (at) DO UPDATE SET body = excluded.body`), part...); err != nil {
			return err
		}
	}
	return nil
}

// tailRow is the entries that one commit added to the tail.
type tailRow struct {
	first int64
	body  []byte
}

func (w *columnWriter) tails() ([]tailRow, error) { return readTail(w.ctx, w.tx, w.db, w.list) }

// readTail returns a list's tail in the order of entries.
func readTail(ctx context.Context, tx *sql.Tx, db *DB, list columnList) ([]tailRow, error) {
	rows, err := tx.QueryContext(ctx, db.dialect.sql(`SELECT at, body FROM search_tail WHERE at >= ? AND at < ? ORDER BY at`),
		list.tail(0), columnList{number: list.number + 1}.tail(0))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []tailRow
	for rows.Next() {
		var r tailRow
		if err := rows.Scan(&r.first, &r.body); err != nil {
			return nil, err
		}
		r.first -= list.tail(0)
		if len(r.body)%(4*list.columns) != 0 {
			return nil, ErrDamaged
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// readBodies returns columns of blocks by their names.
func readBodies(ctx context.Context, tx *sql.Tx, db *DB, names []int64) (map[int64][]byte, error) {
	all := make(map[int64][]byte, len(names))
	for part := range slices.Chunk(names, readBatch) {
		in, args := among(&db.dialect, `at`, part)
		if err := eachBody(ctx, tx, db, func(at int64, body []byte) { all[at] = slices.Clone(body) },
			`SELECT at, body FROM search_columns WHERE `+in, args...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// eachBody hands out the columns that a query finds. The body is valid until f returns.
func eachBody(ctx context.Context, tx *sql.Tx, db *DB, f func(at int64, body []byte), query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, db.dialect.sql(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var at int64
	var body sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&at, &body); err != nil {
			return err
		}
		f(at, body)
	}
	return rows.Err()
}

// columnReader reads a list in one transaction.
type columnReader struct {
	ctx     context.Context //nolint:containedctx // lives as long as one transaction
	tx      *sql.Tx
	db      *DB
	list    columnList
	entries int64
	wiped   int64
	tail    [][]byte // by column, of the block that is not full
}

func newColumnReader(ctx context.Context, tx *sql.Tx, db *DB, list columnList) (*columnReader, error) {
	r := &columnReader{ctx: ctx, tx: tx, db: db, list: list, tail: make([][]byte, list.columns)}
	if err := tx.QueryRowContext(ctx, db.dialect.sql(`SELECT entries, wiped FROM search_lists WHERE list = ?`), list.number).Scan(&r.entries, &r.wiped); err != nil {
		return nil, err
	}
	rows, err := readTail(ctx, tx, db, list)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		for i := 0; i < len(row.body); i += 4 {
			c := i / 4 % list.columns
			r.tail[c] = append(r.tail[c], row.body[i:i+4]...)
		}
	}
	if int64(len(r.tail[0])) != 4*(r.entries%blockSize) {
		return nil, ErrDamaged
	}
	return r, nil
}

// run hands out one column of the blocks [from, to], those that are there, in their order. The body is valid until f
// returns.
func (r *columnReader) run(column int, from, to int64, f func(block int64, body []byte)) error {
	blocks := make([]int64, 0, to-from+1)
	for block := from; block <= to && block <= r.entries/blockSize; block++ {
		blocks = append(blocks, block)
	}
	return r.hand(column, blocks, f)
}

// some hands out one column of at least the blocks that hold places, like run. The places are in their order.
func (r *columnReader) some(column int, places []int64, f func(block int64, body []byte)) error {
	var blocks []int64
	for _, p := range places {
		if block := p / blockSize; len(blocks) == 0 || blocks[len(blocks)-1] != block {
			blocks = append(blocks, block)
		}
	}
	return r.hand(column, blocks, f)
}

// hand hands out one column of blocks, which are in their order.
func (r *columnReader) hand(column int, blocks []int64, f func(block int64, body []byte)) error {
	last := r.entries / blockSize
	if n := len(blocks); n == 0 || blocks[n-1] != last {
		return r.full(column, blocks, f)
	}
	if err := r.full(column, blocks[:len(blocks)-1], f); err != nil {
		return err
	}
	if len(r.tail[column]) > 0 {
		f(last, r.tail[column])
	}
	return nil
}

// full hands out one column of full blocks. What cannot change is read once, and then kept in memory.
func (r *columnReader) full(column int, full []int64, f func(block int64, body []byte)) error {
	if r.list.changes(column) {
		return r.read(column, full, f)
	}
	bodies := r.db.copies.take(r.list, r.wiped, column, full)
	var missing []int64
	for i, body := range bodies {
		if body == nil {
			missing = append(missing, full[i])
		}
	}
	fresh := map[int64][]byte{}
	if err := r.read(column, missing, func(block int64, body []byte) { fresh[block] = slices.Clone(body) }); err != nil {
		return err
	}
	r.db.copies.keep(r.list, r.wiped, column, fresh)
	for i, block := range full {
		if bodies[i] == nil {
			bodies[i] = fresh[block]
		}
		if len(bodies[i]) != 4*blockSize {
			return ErrDamaged
		}
		f(block, bodies[i])
	}
	return nil
}

// read hands out one column of at least these full blocks from the database.
func (r *columnReader) read(column int, blocks []int64, f func(block int64, body []byte)) error {
	if len(blocks) == 0 {
		return nil
	}
	each := func(at int64, body []byte) { f(at-r.list.at(column, 0), body) }
	from, to := blocks[0], blocks[len(blocks)-1]
	if n := int64(len(blocks)); n > (to-from+1)/3 || n > readBatch {
		return eachBody(r.ctx, r.tx, r.db, each, `SELECT at, body FROM search_columns WHERE at >= ? AND at <= ? ORDER BY at`,
			r.list.at(column, from), r.list.at(column, to))
	}
	names := make([]int64, len(blocks))
	for i, block := range blocks {
		names[i] = r.list.at(column, block)
	}
	in, args := among(&r.db.dialect, `at`, names)
	return eachBody(r.ctx, r.tx, r.db, each, `SELECT at, body FROM search_columns WHERE `+in+` ORDER BY at`, args...)
}

// value is what a column's body says of an entry.
func value(body []byte, place int64) uint32 {
	return binary.LittleEndian.Uint32(body[4*(place%blockSize):])
}
