package main

import "syscall"

// childAttributes make the server end at once when we are killed and cannot stop it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
}
