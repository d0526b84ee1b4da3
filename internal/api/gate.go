package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
)

// Door lets people in.
type Door interface {
	// Token returns whose a token is; ErrToken where it is nobody's, or not any more.
	Token(ctx context.Context, secret string) (access.Caller, error)
}

// ErrToken says that a token lets nobody in.
var ErrToken = errors.New("this token is nobody's here, or has ended: ask whoever runs this node for a new one")

// Tokens are those of the config.
type Tokens []configured

type configured struct {
	name  string
	sum   [sha256.Size]byte
	roles []access.Role
}

// NewTokens reads the tokens of a valid config.
func NewTokens(cfg Config) (Tokens, error) {
	all := make(Tokens, len(cfg.Tokens))
	for i, t := range cfg.Tokens {
		sum, err := hex.DecodeString(t.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("token %s has no SHA-256", t.Name)
		}
		all[i] = configured{t.Name, [sha256.Size]byte(sum), t.roles()}
	}
	return all, nil
}

// Token is Door's. All are compared, each in constant time, so that the time taken tells nothing about any of them.
func (all Tokens) Token(_ context.Context, secret string) (access.Caller, error) {
	sum := sha256.Sum256([]byte(secret))
	found := -1
	for i := range all {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(all[i].sum[:], sum[:]), i, found)
	}
	if found < 0 {
		return access.Caller{}, ErrToken
	}
	c := access.Caller{Name: all[found].name, Party: access.Own, Roles: all[found].roles, Via: access.ByToken}
	for _, one := range access.Actions() {
		c.Scopes = append(c.Scopes, access.Scope{Action: one})
	}
	return c, nil
}

// Doors are tried one after the other.
type Doors []Door

// Token is Door's.
func (all Doors) Token(ctx context.Context, secret string) (access.Caller, error) {
	for _, one := range all {
		c, err := one.Token(ctx, secret)
		if err == nil || !errors.Is(err, ErrToken) {
			return c, err
		}
	}
	return access.Caller{}, ErrToken
}

// admit lets in whoever is known already, or shows a token (RFC 6750 §2.1).
func (a *API) admit(ctx huma.Context, next func(huma.Context)) {
	if c := access.From(ctx.Context()); c.Via != "" {
		next(ctx)
		return
	}
	scheme, credentials, _ := strings.Cut(ctx.Header("Authorization"), " ")
	credentials = strings.TrimSpace(credentials)
	if !strings.EqualFold(scheme, "Bearer") || credentials == "" {
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="tocsin"`)
		_ = huma.WriteErr(a.huma, ctx, http.StatusUnauthorized, "send your token: Authorization: Bearer TOKEN")
		return
	}
	c, err := access.Caller{}, ErrToken
	if a.door != nil {
		c, err = a.door.Token(ctx.Context(), credentials)
	}
	switch {
	case errors.Is(err, ErrToken):
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="tocsin", error="invalid_token"`)
		_ = huma.WriteErr(a.huma, ctx, http.StatusUnauthorized, ErrToken.Error())
	case err != nil:
		_ = huma.WriteErr(a.huma, ctx, http.StatusInternalServerError, a.problem(ctx.Context(), err).Error())
	default:
		next(huma.WithContext(ctx, access.With(ctx.Context(), c)))
	}
}

// need is what an operation needs of the table of rights.
type need struct {
	action access.Action
	record access.Record
}

// add registers an operation: the table is asked before anything of the request is looked at, and what handle returns is
// trimmed to what the caller may see. There is no other way to register one. Where fields are named, whoever may see none of
// them is not let in: what is left for them would be an empty shell.
func add[I, O any](a *API, n need, op huma.Operation, handle func(context.Context, *I) (*O, error), fields ...access.Field) {
	op.Path = Prefix + op.Path
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	if op.Method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusUnprocessableEntity)
	}
	slices.Sort(op.Errors)
	op.Errors = slices.Compact(op.Errors)
	op.Extensions = map[string]any{"x-access": string(n.record) + ":" + string(n.action)}
	if len(fields) > 0 {
		op.Extensions["x-access-fields"] = fields
	}
	op.Middlewares = huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		if why := a.mayNot(ctx.Context(), n, fields...); why != "" {
			_ = huma.WriteErr(a.huma, ctx, http.StatusForbidden, why)
			return
		}
		next(ctx)
	}}
	a.answersWith = append(a.answersWith, reflect.TypeFor[O]())
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err == nil {
			c := access.From(ctx)
			access.Trim(&c, out)
		}
		return out, err
	})
}

// mayNot says why the caller may not do what they ask for, with any of some fields; empty where they may.
func (a *API) mayNot(ctx context.Context, n need, fields ...access.Field) string {
	c := access.From(ctx)
	allowed := c.Fields(n.action, n.record)
	if len(allowed) > 0 && (len(fields) == 0 || slices.ContainsFunc(fields, func(f access.Field) bool { return slices.Contains(allowed, f) })) {
		return ""
	}
	a.log.InfoContext(ctx, "somebody may not do what they asked for", "by", c.Tag(), "action", string(n.action), "record", string(n.record))
	why := "none of your roles may " + string(n.action) + " this"
	if c.Via == access.ByToken {
		why += ", or your token does not cover it"
	}
	return why + " (" + string(n.record) + "): docs/access.md says who may, and whoever administers this node gives roles"
}

// who is how acts name the caller.
func who(ctx context.Context) string {
	c := access.From(ctx)
	return c.Name
}

// by is how logs name the caller.
func by(ctx context.Context) string {
	c := access.From(ctx)
	return c.Tag()
}
