package report

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// Place is a place in a list of reports, those that came in last first: behind the report that came in at a time and has
// an id. The zero value is the list's beginning, and written as the empty text.
type Place struct {
	ReceivedAt time.Time
	ID         ID
}

// IsZero reports whether it is the list's beginning.
func (p Place) IsZero() bool { return p.ID.IsZero() }

// placeVersion is the first byte of a written place.
const placeVersion = 2

// String writes the place so that it can stand in a URL.
func (p Place) String() string {
	if p.IsZero() {
		return ""
	}
	b := binary.BigEndian.AppendUint64([]byte{placeVersion}, uint64(p.ReceivedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, p.ID[:]...))
}

// ErrPlace says that a text is no place.
var ErrPlace = errors.New("this is no place in a list that was given out here: begin again at the first page")

// ParsePlace reads what String writes. ErrPlace says that it did not.
func ParsePlace(s string) (Place, error) {
	if s == "" {
		return Place{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 1+8+len(ID{}) || b[0] != placeVersion {
		return Place{}, ErrPlace
	}
	p := Place{time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:]))).UTC(), ID(b[9:])}
	if p.IsZero() || p.String() != s {
		return Place{}, ErrPlace
	}
	return p, nil
}

// MarshalText implements encoding.TextMarshaler.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Place) UnmarshalText(b []byte) error {
	q, err := ParsePlace(string(b))
	*p = q
	return err
}
