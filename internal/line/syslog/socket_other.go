//go:build !linux

package syslog

import (
	"net"
	"time"
)

const controlBytes = 0

// BUG(syslog): only Linux says how many datagrams were thrown away. Elsewhere only senders that number their messages
// (RFC 5424 §7.3.1) show what was lost over UDP.
func prepare(*net.UDPConn) error { return nil }

func told([]byte) (time.Time, uint32) { return time.Time{}, 0 }
