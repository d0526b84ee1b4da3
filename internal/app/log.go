package app

import (
	"fmt"
	"io"
	"log/slog"
)

// ParseLevel reads a log level.
func ParseLevel(s string) (slog.Level, error) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if s == levelName(l) {
			return l, nil
		}
	}
	return 0, fmt.Errorf("%q is no level: write debug, info, warn or error", s)
}

func levelName(l slog.Level) string {
	switch l {
	case slog.LevelDebug:
		return "debug"
	case slog.LevelWarn:
		return "warn"
	case slog.LevelError:
		return "error"
	}
	return "info"
}

// NewLog returns a logger that writes one JSON object a line. Nothing personal is logged above debug.
func NewLog(w io.Writer, level string) (*slog.Logger, error) {
	l, err := ParseLevel(level)
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
}
