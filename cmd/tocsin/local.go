package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/internal/api"
	"tocsin/internal/app"
)

// local asks the node of a data directory over its API: the node that runs there, or one built for this command.
type local struct {
	client *http.Client
	done   func() error
	by     string
}

// byFlag is who asks, beside the system's user.
func byFlag(cmd *cobra.Command) *string {
	by := cmd.Flags().String("by", "", "`name` of who asks, beside the system's user")
	return by
}

func openLocal(cmd *cobra.Command, data, by string) (*local, error) {
	if !app.Begun(data) {
		return nil, noData(data)
	}
	c, done, err := app.Local(cmd.Context(), data, func() (*app.App, error) { return openApp(cmd, data) })
	if err != nil {
		if _, ok := errors.AsType[*exitError](err); ok {
			return nil, err
		}
		return nil, cannot(err)
	}
	return &local{c, done, strings.TrimSpace(by)}, nil
}

// problem is what the API says of a fault (RFC 9457).
type problem struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

// call asks once. in may be nil, and out.
func (l *local) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return cannot(err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://node"+api.Prefix+path, body)
	if err != nil {
		return cannot(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if l.by != "" {
		r.Header.Set(app.ByHeader, l.by)
	}
	res, err := l.client.Do(r)
	if err != nil {
		return cannot(fmt.Errorf("the node does not answer: %w", err))
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return faultOf(res)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return cannot(fmt.Errorf("the node's answer cannot be read: %w", err))
	}
	return nil
}

// faultOf makes of a problem document what a person reads.
func faultOf(res *http.Response) error {
	var p problem
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p); err != nil || p.Detail == "" {
		return cannot(fmt.Errorf("the node answers with status %d", res.StatusCode))
	}
	if res.StatusCode != http.StatusUnprocessableEntity || len(p.Errors) == 0 {
		return cannot(errors.New(p.Detail))
	}
	words := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		words[i] = strings.TrimPrefix(e.Location, "body.") + ": " + e.Message
	}
	return wrongUse("%s", strings.Join(words, "; "))
}

// close ends what openLocal began. Its error counts where err is nil.
func (l *local) close(err error) error {
	if closed := l.done(); err == nil && closed != nil {
		return cannot(closed)
	}
	return err
}
