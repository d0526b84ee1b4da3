package app

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerName is the system's user at the other end of a socket.
func peerName(c net.Conn) string {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return unknownUser
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return unknownUser
	}
	name := unknownUser
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			name = userOf(int(cred.Uid))
		}
	})
	return name
}

const unknownUser = "a user of this machine"
