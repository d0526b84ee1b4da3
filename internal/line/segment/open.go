package segment

import (
	"fmt"
	"os"
	"syscall"
)

// File is a segment that is mapped from its file.
type File struct {
	*Segment
	Path string
}

// Open maps a file and checks it whole. ErrDamaged says that it is not what was written.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	if info.Size() < headerSize+sumSize {
		return nil, fmt.Errorf("%s: %w", path, ErrDamaged)
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	s, err := Parse(data)
	if err != nil {
		_ = syscall.Munmap(data)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &File{s, path}, nil
}

// Close unmaps the file. Nobody may ask it any more.
func (f *File) Close() error {
	if f.data == nil {
		return nil
	}
	data := f.data
	f.Segment = &Segment{}
	return syscall.Munmap(data)
}
