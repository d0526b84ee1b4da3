package stream

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"tocsin/internal/report"
)

// Headers of our messages.
const (
	headerReport = "Tocsin-Report" // known: whose entry it is, so that a scan need not read bodies
	headerSHA256 = "Tocsin-Sha256" // last message of an object: of the whole of it, hexadecimal
	headerSize   = "Tocsin-Size"   // last message of an object: bytes of the whole of it
	headerChunks = "Tocsin-Chunks" // last message of an object: how many messages it is
	headerFile   = "Tocsin-File"   // last message of an object: its bytes are a file beside the stream
	headerFirst  = "Tocsin-First"  // last message of an object of several: sequence of the first
)

// Item is one piece of work: a report to be read. It is handed out again until a worker has done it, so whoever
// works it is idempotent by (report, generation, row).
type Item struct {
	Report     report.Report
	Generation int // 0 for a report just accepted; a replay is a new generation (DESIGN.md §9)
	Attempt    int // how often it has been handed out in this run, from 1; filled in by Work
}

// wireItem and wireReport are what stands in the messages. Members are only ever added: old messages outlive an
// update of the program.
type wireItem struct {
	Report     wireReport `json:"report"`
	Generation int        `json:"generation,omitempty"`
}

type wireReport struct {
	ID         report.ID    `json:"id"`
	Channel    string       `json:"channel"`
	Reporter   string       `json:"reporter"`
	ReceivedAt time.Time    `json:"received_at"`
	Name       []byte       `json:"name,omitempty"` // base64: a file name need not be UTF-8; personal
	Format     string       `json:"format,omitempty"`
	SHA256     string       `json:"sha256"`
	Size       int64        `json:"size"`
	TLP        report.TLP   `json:"tlp"`
	State      report.State `json:"state"`
	Exercise   bool         `json:"exercise,omitempty"`

	Authenticity report.Authenticity `json:"authenticity,omitempty"`
	Signer       string              `json:"signer,omitempty"`
	Identity     string              `json:"identity,omitempty"` // hexadecimal
}

func toWire(r report.Report) wireReport {
	w := wireReport{
		ID: r.ID, Channel: r.Channel, Reporter: r.Reporter, ReceivedAt: r.ReceivedAt, Name: []byte(r.Name),
		Format: r.Format, SHA256: hex.EncodeToString(r.SHA256[:]), Size: r.Size, TLP: r.TLP, State: r.State,
		Exercise: r.Exercise, Authenticity: r.Authenticity, Signer: r.Signer,
	}
	if r.Identity != [32]byte{} {
		w.Identity = hex.EncodeToString(r.Identity[:])
	}
	return w
}

func (w wireReport) report() (report.Report, error) {
	r := report.Report{
		ID: w.ID, Channel: w.Channel, Reporter: w.Reporter, ReceivedAt: w.ReceivedAt, Name: string(w.Name),
		Format: w.Format, Size: w.Size, TLP: w.TLP, State: w.State, Exercise: w.Exercise,
		Authenticity: w.Authenticity, Signer: w.Signer,
	}
	sum, err := hex.DecodeString(w.SHA256)
	if err != nil || len(sum) != len(r.SHA256) {
		return report.Report{}, fmt.Errorf("the stream's entry of report %s has no SHA-256", w.ID)
	}
	copy(r.SHA256[:], sum)
	identity, err := hex.DecodeString(w.Identity)
	if err != nil || len(identity) != 0 && len(identity) != len(r.Identity) {
		return report.Report{}, fmt.Errorf("the stream's entry of report %s has a damaged identity", w.ID)
	}
	copy(r.Identity[:], identity)
	return r, nil
}

func encodeReport(r report.Report) ([]byte, error) { return json.Marshal(toWire(r)) }

func decodeReport(b []byte) (report.Report, error) {
	var w wireReport
	if err := json.Unmarshal(b, &w); err != nil {
		return report.Report{}, fmt.Errorf("the stream's entry of a report cannot be read: %w", err)
	}
	return w.report()
}

func encodeItem(it Item) ([]byte, error) {
	return json.Marshal(wireItem{Report: toWire(it.Report), Generation: it.Generation})
}

func decodeItem(b []byte) (Item, error) {
	var w wireItem
	if err := json.Unmarshal(b, &w); err != nil {
		return Item{}, fmt.Errorf("a work item cannot be read: %w", err)
	}
	rep, err := w.Report.report()
	return Item{Report: rep, Generation: w.Generation}, err
}
