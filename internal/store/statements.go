package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements are those that every report needs, prepared once: with small reports, reading the text of the SQL costs as
// much as doing what it says.
type statements struct {
	mu     sync.Mutex // guards byText; held while one is prepared, which each is once
	byText map[string]*sql.Stmt
}

// prepared returns the statement of a text. It must not be called within a transaction: SQLite has one connection to
// write.
func (s *statements) prepared(ctx context.Context, on *sql.DB, text string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt, ok := s.byText[text]; ok {
		return stmt, nil
	}
	stmt, err := on.PrepareContext(context.WithoutCancel(ctx), text) //nolint:sqlclosecheck // closed with the database
	if err != nil {
		return nil, err
	}
	if s.byText == nil {
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[text] = stmt
	return stmt, nil
}

// close closes them all, before their database.
func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.byText {
		_ = stmt.Close() // the database closes next
	}
	clear(s.byText)
}
