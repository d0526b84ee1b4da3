//go:build !linux

package stream_test

func asNobody(f func() error) error { return f() }
