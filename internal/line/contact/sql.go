package contact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/line/database"
)

// SQL is a query with {name} in it, which gives one row: any of name, mail, phone, address, language and class.
type SQL struct {
	DB    *database.DB
	Query string
}

// CheckQuery says what is wrong with the text of a query, as far as can be seen without a database.
func CheckQuery(text string) error {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	first, _, _ = strings.Cut(first, "\n")
	if !strings.EqualFold(first, "select") && !strings.EqualFold(first, "with") {
		return errors.New("a query begins with SELECT or WITH")
	}
	places := database.Places(text)
	for _, p := range places {
		if p != "name" {
			return fmt.Errorf("{%s} stands for nothing: there is {name}", p)
		}
	}
	if len(places) == 0 {
		return errors.New("the query has no {name}: there the line's name is to stand, as in `WHERE username = {name}`")
	}
	return nil
}

// Close ends the connection.
func (s *SQL) Close() error { return s.DB.Close() }

// Contact is Book's.
func (s *SQL) Contact(ctx context.Context, name string) (Contact, error) {
	var found Contact
	at := make([]int, len(fields))
	rows := 0
	err := s.DB.Read(ctx, database.Query{Text: s.Query, Name: name}, func(cols []database.Column) error {
		any := false
		for i, f := range fields {
			at[i] = slices.IndexFunc(cols, func(c database.Column) bool { return c.Name == f.name })
			any = any || at[i] >= 0 && i < 4
		}
		if !any {
			return &database.Error{Kind: database.Wrong, Reason: "the query gives no column named name, mail, phone or address: name what it selects, as in `SELECT email AS mail`"}
		}
		return nil
	}, func(r *database.Row) error {
		if rows++; rows > 1 {
			return errors.New("the query gives more than one contact for a line, and nobody knows which holds: let it give one row")
		}
		for i, f := range fields {
			if at[i] >= 0 {
				*f.of(&found) = r.Text(at[i])
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return Contact{}, err
	case rows == 0:
		return Contact{}, ErrUnknown
	}
	if err := found.check(); err != nil {
		return Contact{}, fmt.Errorf("the contact cannot be used: %w", err)
	}
	return found, nil
}
