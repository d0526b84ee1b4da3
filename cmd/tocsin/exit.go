package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"tocsin/internal/app"
	"tocsin/internal/report"
)

// Exit codes of every command.
const (
	exitRefused = 1
	exitUsage   = 2
	exitCannot  = 3
)

// exitError is an error with its own exit code. A nil err has been printed already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func cannot(err error) error { return &exitError{exitCannot, err} }

func wrongUse(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func refused() error { return &exitError{code: exitRefused} }

// exitCode prints an error and returns the program's exit code.
func exitCode(ctx context.Context, err error, errOut io.Writer) int {
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		exit = &exitError{exitUsage, err} // what cobra itself found wrong
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		exit = &exitError{exitCannot, errors.New("stopped by a signal; what was committed is kept, run the command again to go on")}
	}
	if exit.err != nil {
		fmt.Fprintf(errOut, "tocsin: %v\n", exit.err)
	}
	return exit.code
}

// explainData says what to do about the data directory of cfg when it cannot be used.
func explainData(err error, cfg *app.Config) error {
	if errors.Is(err, app.ErrBusy) {
		return cannot(fmt.Errorf("%w: if it is a node, put the files into its drop folder, %s; else wait for it to end", err, report.Printable(cfg.DropFolder())))
	}
	return cannot(err)
}

// noData says that there is no node in a data directory.
func noData(dir string) error {
	return cannot(fmt.Errorf("%w: %s (give the data directory with --data, or begin with tocsin init or tocsin import)", app.ErrNoData, report.Printable(dir)))
}
