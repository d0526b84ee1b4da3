package archive

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"tocsin/internal/line/segment"
)

var table = crc32.MakeTable(crc32.Castagnoli)

// read reads what write wrote. os.ErrNotExist says that there is none, segment.ErrDamaged that it was changed.
func read[T any](path string, into *T) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(data) < 4 || crc32.Checksum(data[4:], table) != uint32(data[0])|uint32(data[1])<<8|uint32(data[2])<<16|uint32(data[3])<<24 {
		return fmt.Errorf("%s: %w", path, segment.ErrDamaged)
	}
	if err := gob.NewDecoder(bytes.NewReader(data[4:])).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, segment.ErrDamaged)
	}
	return nil
}

// write replaces the file whole, durably.
func write[T any](path string, st *T) error {
	b := bytes.NewBuffer(make([]byte, 4))
	if err := gob.NewEncoder(b).Encode(st); err != nil {
		return fmt.Errorf("write the state of a source: %w", err)
	}
	data := b.Bytes()
	sum := crc32.Checksum(data[4:], table)
	data[0], data[1], data[2], data[3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	f, err := os.CreateTemp(filepath.Dir(path), ".state-*")
	if err != nil {
		return fmt.Errorf("write the state of a source: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // not there any more where all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		var d *os.File
		if d, err = os.Open(filepath.Dir(path)); err == nil {
			err = d.Sync()
			_ = d.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("write the state of a source: %w", err)
	}
	return nil
}
