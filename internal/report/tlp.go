package report

import (
	"fmt"
	"strings"
)

// TLP is a label of the Traffic Light Protocol 2.0 (FIRST). The zero value is RED: what nobody labelled stays here.
type TLP uint8

// The labels, from the tightest to the widest.
const (
	TLPRed         TLP = iota // for the eyes of the recipients only
	TLPAmberStrict            // the recipient's organisation only
	TLPAmber                  // the organisation and its clients who need to know
	TLPGreen                  // the community
	TLPClear                  // no limit
)

var tlpNames = [...]string{"red", "amber+strict", "amber", "green", "clear"}

// String returns the label in lower case, as the config and the API write it.
func (t TLP) String() string {
	if int(t) < len(tlpNames) {
		return tlpNames[t]
	}
	return tlpNames[TLPRed]
}

// MarshalText implements encoding.TextMarshaler.
func (t TLP) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a label; case and a leading "TLP:" do not matter. Empty is RED.
func (t *TLP) UnmarshalText(b []byte) error {
	name := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(string(b))), "tlp:")
	if name == "" {
		*t = TLPRed
		return nil
	}
	for i, n := range tlpNames {
		if n == name {
			*t = TLP(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no TLP 2.0 label: write one of %s", string(b), strings.Join(tlpNames[:], ", "))
}
