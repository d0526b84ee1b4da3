package app

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"tocsin/internal/api"
	"tocsin/internal/evidence"
	"tocsin/internal/formats/letter"
	"tocsin/internal/line/sources"
	"tocsin/internal/network"
	"tocsin/internal/report"
)

// setup is what the API shows of how the node is set, of the partnership, and of the evidence log.
type setup struct{ app *App }

// Partners is api.Partners'.
func (s setup) Partners() []network.Partner { return s.app.cfg.Network.Partners }

// ledger is the evidence log as the API shows it.
type ledger struct {
	*evidence.Log

	app *App
}

// Checkpoint is api.Evidence's.
func (l ledger) Checkpoint() (c evidence.Checkpoint, key string, err error) {
	all := logKeys(l.app.keys)
	if c, err = LogTrust(all).Parse(l.Head().Checkpoint); err != nil {
		return c, "", fmt.Errorf("read the checkpoint of the evidence log: %w", err)
	}
	if i := slices.IndexFunc(all, func(k LogKey) bool { return c.KeyOf(k.Public) }); i >= 0 {
		key = all[i].ID
	}
	return c, key, nil
}

// Settings is api.Setup's.
func (s setup) Settings(ctx context.Context) (api.Settings, error) {
	a := s.app
	text, err := ShownConfig(a.cfg)
	if err != nil {
		return api.Settings{}, err
	}
	out := api.Settings{Config: text, Version: buildVersion(), Folder: letter.Display(a.data.Dir), Wrong: []api.Wrong{}}
	wrong := func(all ...api.Wrong) { out.Wrong = append(out.Wrong, all...) }

	if a.store.Ready(ctx) != nil {
		wrong(api.Wrong{Bad: true, Of: "database", What: "the database does not answer", Do: "look at the database server, and at the node's log"})
		return out, nil //nolint:nilerr // it is what is shown: nothing else can be said
	}
	if err := a.logFault(ctx); err != nil {
		wrong(api.Wrong{Bad: true, Of: "log", What: "the evidence log is not written, so nothing that has to be logged is done: " + letter.Display(err.Error()), Do: "docs/operate.md says what to do, under the evidence log in a backup"})
	}
	wrong(a.wrongLag(ctx, &out.Health)...)
	wrong(a.wrongConfig()...)
	if a.lines != nil {
		for _, st := range a.lines.Status() {
			out.Health.Lines++
			wrong(wrongSource(&st)...)
		}
	}
	feeds, err := a.wrongFeeds(ctx, &out.Health)
	if err != nil {
		return api.Settings{}, err
	}
	wrong(feeds...)
	wrong(a.wrongIntake()...)
	slices.SortStableFunc(out.Wrong, func(x, y api.Wrong) int {
		switch {
		case x.Bad == y.Bad:
			return 0
		case x.Bad:
			return -1
		}
		return 1
	})
	return out, nil
}

// muchLag is how old a report may be that was not worked yet: a large one takes minutes.
const muchLag = 15 * time.Minute

func (a *App) wrongLag(ctx context.Context, h *api.Health) []api.Wrong {
	var err error
	if h.Waiting, h.Oldest, err = a.stream.Lag(ctx); err != nil {
		return []api.Wrong{{Bad: true, Of: "stream", What: "the stream of reports does not answer, so none is accepted", Do: "look at the disk of the data directory, or at the NATS cluster, and at the node's log"}}
	}
	if !h.Oldest.IsZero() && a.now().Sub(h.Oldest) > muchLag {
		return []api.Wrong{{
			Bad: true, Of: "stream", At: h.Oldest, What: report.Counted(int64(h.Waiting), "report") + " accepted and not worked yet",
			Do: "look at the node's log for what fails, and at the load of this machine",
		}}
	}
	return nil
}

func (a *App) wrongConfig() []api.Wrong {
	var all []api.Wrong
	for _, w := range a.cfg.Warnings() {
		what, do, ok := cutLast(w, ": ")
		if !ok {
			do = "change it in tocsin.yaml, and restart the node"
		}
		all = append(all, api.Wrong{Of: "config", What: what, Do: do})
	}
	if len(a.cfg.Network.Own) == 0 {
		all = append(all, api.Wrong{Of: "config", What: "network.own names no network, so no address is ours, and every incident somebody else's", Do: "list your prefixes and AS numbers under network.own in tocsin.yaml, and restart the node"})
	}
	if a.lines == nil {
		all = append(all, api.Wrong{Of: "config", What: "no source of line sessions is configured, so incidents of our own network are filed by address, and nobody is named", Do: "give one under lines in tocsin.yaml: docs/lines/README.md says which there are"})
	}
	return all
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func wrongSource(st *sources.Status) []api.Wrong {
	w := api.Wrong{Of: "lines", Name: st.Name, At: st.Latest}
	switch st.Health {
	case sources.Down:
		w.Bad, w.What, w.Do = true, "it does not answer, or what it says cannot be used", "look at it and at the way to it; tocsin lines sources says how it is"
	case sources.Resting:
		w.Bad, w.What, w.Do = true, "it failed too often and is not asked for a while: meanwhile nobody is named in its networks", "look at it and at the way to it: it is asked again by itself"
	case sources.Silent:
		w.What, w.Do = "it has said nothing for a day, or nothing yet", "see whether its files grow, or its devices send: what it does not say, nobody knows"
	case sources.Clock:
		w.What = fmt.Sprintf("its clock is off by up to %s, so answers near a change of holder are ambiguous", report.Counted(st.Clock, "second"))
		w.Do = "have it keep time by NTP"
	default:
		return nil
	}
	if st.Fault != "" {
		w.What += ": " + letter.Display(st.Fault)
	}
	return []api.Wrong{w}
}

// wrongFeeds says which feeds have fallen silent, and which sources of the config never sent anything.
func (a *App) wrongFeeds(ctx context.Context, h *api.Health) ([]api.Wrong, error) {
	var all []api.Wrong
	for s, err := range Sources(ctx, a.store, &a.cfg, a.now()) {
		if err != nil {
			return nil, err
		}
		name := letter.Display(s.Name)
		if s.Reports == 0 {
			all = append(all, api.Wrong{Of: "feed", Name: name, What: "nothing of it has come in yet", Do: "see whether its sender is set up: docs/sources.md"})
		}
		for _, f := range s.Feeds {
			h.Feeds++
			if s.Silent[f.Name] {
				all = append(all, api.Wrong{
					Of: "feed", Name: name + " " + letter.Display(f.Name), At: f.Delivered, What: "it has delivered nothing for longer than incident.silence, so its incidents end as unknown",
					Do: "ask whoever sends it whether it still is, and how it should come in",
				})
			}
		}
	}
	return all, nil
}

func (a *App) wrongIntake() []api.Wrong {
	var all []api.Wrong
	if a.channels.folder != nil {
		if stuck := a.channels.folder.Stuck(); len(stuck) > 0 { // their names are personal
			all = append(all, api.Wrong{Bad: true, Of: "intake", At: stuck[0].Since, What: report.Counted(int64(len(stuck)), "file") + " in the drop folder cannot be taken", Do: "the node's log names each with its reason: mend it, and it is taken by itself"})
		}
	}
	for _, u := range a.channels.door.Sources().Unlabelled() {
		all = append(all, api.Wrong{Of: "intake", Name: letter.Display(u.Reporter), At: u.Last, What: "this source has no TLP label, so nothing of its reports may leave this node", Do: "give it one in intake.sources"})
	}
	return all
}

// leftOut stands where a config has a secret.
const leftOut = "(left out)"

// ShownConfig is the config that a node goes by, its defaults included, as YAML and without what is secret. What is empty
// is left out as well.
func ShownConfig(cfg Config) (string, error) {
	cfg.Intake, cfg.Stream = cfg.Intake.WithDefaults(), cfg.Stream.WithDefaults()
	text, err := yaml.Marshal(&cfg)
	if err != nil {
		return "", fmt.Errorf("write the config: %w", err)
	}
	var all yaml.MapSlice
	if err := yaml.Unmarshal(text, &all); err != nil {
		return "", fmt.Errorf("read the config: %w", err)
	}
	out, err := yaml.Marshal(shownValue("", all))
	if err != nil {
		return "", fmt.Errorf("write the config: %w", err)
	}
	return string(out), nil
}

// shownValue is a value of the config under a key; nil where nothing is to be shown.
func shownValue(key string, v any) any {
	switch v := v.(type) {
	case yaml.MapSlice:
		var all yaml.MapSlice
		for _, item := range v {
			name := fmt.Sprint(item.Key)
			if value := shownValue(name, item.Value); value != nil {
				all = append(all, yaml.MapItem{Key: item.Key, Value: value})
			}
		}
		if all == nil {
			return nil
		}
		return all
	case map[string]any:
		items := make(yaml.MapSlice, 0, len(v))
		for k, value := range v {
			items = append(items, yaml.MapItem{Key: k, Value: value})
		}
		slices.SortFunc(items, func(x, y yaml.MapItem) int { return strings.Compare(fmt.Sprint(x.Key), fmt.Sprint(y.Key)) })
		return shownValue(key, items)
	case []any:
		var all []any
		for _, one := range v {
			if value := shownValue(key, one); value != nil {
				all = append(all, value)
			}
		}
		if all == nil {
			return nil
		}
		return all
	case string:
		switch {
		case v == "":
			return nil
		case secret(key):
			return leftOut
		}
		return withoutSecrets(v)
	}
	if v != nil && secret(key) { // a secret of digits is a number to YAML
		return leftOut
	}
	return v
}

// secret reports whether a key holds a secret itself, and not where one lies.
func secret(key string) bool {
	if strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_url") {
		return false
	}
	return slices.ContainsFunc([]string{"sha256", "secret", "password", "token", "salt", "pin"}, func(part string) bool {
		return slices.Contains(strings.Split(key, "_"), part)
	})
}

// withoutSecrets takes from addresses what may let somebody in: who and with which password, and what is asked for.
func withoutSecrets(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	all := strings.Split(text, ",") // several members of a cluster
	for i, one := range all {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil {
			return leftOut
		}
		if _, has := u.User.Password(); has || u.RawQuery != "" || u.Fragment != "" {
			name := ""
			if user := u.User.Username(); user != "" {
				name = user + "@"
			}
			all[i] = u.Scheme + "://" + name + u.Host + u.Path + " " + leftOut
		}
	}
	return strings.Join(all, ",")
}
