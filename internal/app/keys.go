package app

import (
	"fmt"
	"time"

	"tocsin/internal/keys"
)

// OpenKeys opens the keys of a data directory, as the config says where that is.
func OpenKeys(data string) (*keys.Ring, error) {
	cfg, err := LoadData(data)
	if err != nil {
		return nil, err
	}
	d := Data{Dir: cfg.Data}
	ring, err := keys.Open(d.Sub("keys"))
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	return ring, nil
}

// RotateKey replaces the key of a purpose. No node may run on the data directory (ErrBusy): it would not see the new one.
func RotateKey(data string, p keys.Purpose, now time.Time, overlap time.Duration) (keys.Key, error) {
	cfg, err := LoadData(data)
	if err != nil {
		return keys.Key{}, err
	}
	d, err := OpenData(cfg.Data)
	if err != nil {
		return keys.Key{}, err
	}
	defer d.Close()
	ring, err := ensureKeys(d.Sub("keys"), now)
	if err != nil {
		return keys.Key{}, err
	}
	return ring.Rotate(p, now, overlap)
}
