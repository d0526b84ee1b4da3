package network

import (
	"context"
	"io"
	"net/netip"
)

// ReadTable builds a table of at most limit prefixes from one reader, for fuzzing without files.
func ReadTable(ctx context.Context, kind Kind, r io.Reader, limit int) (*Table, error) {
	b := newBuilder()
	b.limit = limit
	src := Source{Path: "table", Kind: kind}
	if err := readTable(ctx, b, &src, r); err != nil {
		return nil, err
	}
	t, err := b.settle(ctx, newClaims(Config{}))
	if err == nil {
		t.sources = []Source{src}
	}
	return t, err
}

// EachPrefix is eachPrefix.
func EachPrefix(first, last netip.Addr, yield func(netip.Prefix) error) error {
	return eachPrefix(first, last, yield)
}
