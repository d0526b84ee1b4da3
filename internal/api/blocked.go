package api

import (
	"context"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/desk"
)

// BlockedSender is an author of whom nothing more is wanted.
type BlockedSender struct {
	Sender string    `access:"sender" json:"sender" doc:"an address, or @domain"`
	At     time.Time `access:"sender" json:"at"`
	Who    string    `access:"sender" json:"who"`
}

// Record is access.Shown's.
func (BlockedSender) Record() access.Record { return access.Sender }

// BlockedList is all of them.
type BlockedList struct {
	Items []BlockedSender `json:"items"`
}

type blockedOutput struct{ Body BlockedList }

func (a *API) blocked(ctx context.Context, _ *struct{}) (*blockedOutput, error) {
	all, err := a.rooms.Blocks.Blocked(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &blockedOutput{}
	out.Body.Items = make([]BlockedSender, len(all))
	for i, b := range all {
		out.Body.Items[i] = BlockedSender(b)
	}
	return out, nil
}

// BlockDone says what a block concerns.
type BlockDone struct {
	Sender  string    `json:"sender"`
	Blocked bool      `json:"blocked" doc:"false where it was only tried"`
	Sent    desk.Sent `json:"sent" doc:"what has come from there until now"`
}

type blockOutput struct{ Body BlockDone }

func (a *API) block(ctx context.Context, in *struct {
	Body struct {
		Sender string `json:"sender" doc:"an address, ann@example.net, or all of a domain, @example.net"`
		Try    bool   `json:"try,omitempty" doc:"only say how many reports it would have concerned"`
	}
},
) (*blockOutput, error) {
	sent, err := a.rooms.Blocks.Block(ctx, in.Body.Sender, who(ctx), in.Body.Try)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if !in.Body.Try {
		a.log.InfoContext(ctx, "an author was blocked", "by", by(ctx), "reports", sent.Reports)
	}
	out := &blockOutput{}
	out.Body.Sender, _ = desk.Sender(in.Body.Sender)
	out.Body.Blocked, out.Body.Sent = !in.Body.Try, sent
	return out, nil
}

// unblock has the sender in its body, because paths stand in the logs of proxies.
func (a *API) unblock(ctx context.Context, in *struct {
	Body struct {
		Sender string `json:"sender" doc:"as the list writes it"`
	}
},
) (*struct{}, error) {
	if err := a.rooms.Blocks.Unblock(ctx, in.Body.Sender); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a block was taken back", "by", by(ctx))
	return nil, nil
}
