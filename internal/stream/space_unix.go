//go:build linux || darwin

package stream

import "golang.org/x/sys/unix"

// freeSpace is how much an unprivileged user may still write on the disk that holds dir.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
