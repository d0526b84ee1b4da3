// Package intake stub.
package intake

import (
	"errors"
	"fmt"
	"runtime/debug"

	"tocsin/internal/report"
)

type Config struct {
	Sources []Source `yaml:"sources"`
	HTTP    struct {
		Tokens []Token `yaml:"tokens"`
	} `yaml:"http"`
	Folder struct {
		Path string `yaml:"path"`
	} `yaml:"folder"`
}
type Source struct {
	Name string     `yaml:"name"`
	TLP  report.TLP `yaml:"tlp"`
}
type Token struct {
	Name   string `yaml:"name"`
	SHA256 string `yaml:"sha256"`
}

func Defaults() Config           { return Config{} }
func (c Config) Validate() error { return nil }
func (c Config) Import(reporter, format string) Source {
	if reporter == "" {
		reporter = format
	}
	if reporter == "" {
		reporter = "unknown"
	}
	for _, s := range c.Sources {
		if s.Name == reporter {
			return s
		}
	}
	return Source{Name: reporter}
}

type PanicError struct{ Stack, v string }

func (p *PanicError) Error() string { return "the parser failed: " + p.v }
func Guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{string(debug.Stack()), fmt.Sprint(p)}
		}
	}()
	return f()
}

var _ = errors.New
