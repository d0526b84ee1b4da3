package syslog

import (
	"encoding/binary"
	"net"
	"syscall"
	"time"
)

// prepare has the kernel say with each datagram when it came and how many it had thrown away before it, for want of room.
func prepare(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	err2 := raw.Control(func(fd uintptr) {
		if err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RXQ_OVFL, 1); err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
		}
	})
	if err == nil {
		err = err2
	}
	return err
}

const controlBytes = 128

// told is what the kernel said with a datagram: when it came (zero: not said), and how many were thrown away, ever.
func told(control []byte) (at time.Time, dropped uint32) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return at, 0
	}
	for _, m := range messages {
		switch {
		case m.Header.Level != syscall.SOL_SOCKET:
		case m.Header.Type == syscall.SO_RXQ_OVFL && len(m.Data) >= 4:
			dropped = binary.NativeEndian.Uint32(m.Data)
		case m.Header.Type == syscall.SO_TIMESTAMPNS && len(m.Data) >= 16: // a timespec of 64 bits
			at = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return at, dropped
}
