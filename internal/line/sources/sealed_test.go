package sources_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tocsin/internal/line/sources"
)

// kept yields all that the room keeps: its files, the batches of its log, unpacked, and what it has logged.
func (n *node) kept(yield func(what string, data []byte)) {
	n.t.Helper()
	unpack, err := zstd.NewReader(nil)
	if err != nil {
		n.t.Fatal(err)
	}
	defer unpack.Close()
	for source, batches := range n.log.batches {
		for _, b := range batches {
			raw, err := unpack.DecodeAll(b.Data, nil)
			if errors.Is(err, zstd.ErrMagicMismatch) && len(b.Data) < 30 {
				raw, err = b.Data, nil // a purge
			}
			if err != nil {
				n.t.Fatal(err)
			}
			yield("the log of "+source, raw)
		}
	}
	if err := filepath.WalkDir(n.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		yield(path, data)
		return err
	}); err != nil {
		n.t.Fatal(err)
	}
	yield("what was logged", []byte(n.said.String()))
}

// encoded is what stands in base64 for bytes that lie anywhere in others, and the ways of writing them in hexadecimal.
func encoded(b []byte) (all [][]byte) {
	for skip := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, skip), b...))
		text = text[(skip*8+5)/6:]                                            // digits that depend on what is before
		all = append(all, []byte(text[:max(0, (len(b)*8-(6-skip*8%6)%6)/6)])) // and on what is behind
	}
	return append(all, []byte(hex.EncodeToString(b)), []byte(strings.ToUpper(hex.EncodeToString(b))))
}

// forms are the ways in which an address of IPv4 could be kept.
func forms(a netip.Addr) [][]byte {
	four, six := a.As4(), a.As16()
	back := []byte{four[3], four[2], four[1], four[0]}
	number := uint64(four[0])<<24 | uint64(four[1])<<16 | uint64(four[2])<<8 | uint64(four[3])
	all := [][]byte{[]byte(a.String()), four[:], back, six[:], fmt.Appendf(nil, "%02x:%02x:%02x:%02x", four[0], four[1], four[2], four[3]), strconv.AppendUint(nil, number, 10)}
	all = append(all, encoded([]byte(a.String()))...)
	return append(append(all, []byte(hex.EncodeToString(four[:])), []byte(strings.ToUpper(hex.EncodeToString(four[:])))), []byte(hex.EncodeToString(back)))
}

// named are the ways in which a name could be kept.
func named(name string) [][]byte {
	all := append(encoded([]byte(name)), []byte(name), []byte(strings.ToUpper(name)))
	if mac, err := hex.DecodeString(strings.ReplaceAll(name, ":", "")); err == nil {
		all = append(all, mac, []byte(hex.EncodeToString(mac)))
	}
	return all
}

// TestEncoded: base64 of bytes is found wherever they lie.
func TestEncoded(t *testing.T) {
	for before := range 7 {
		for behind := range 4 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + "marker.ann" + strings.Repeat("y", behind)))
			found := 0
			for _, m := range encoded([]byte("marker.ann"))[:3] {
				if len(m) < 12 {
					t.Errorf("%q says too little", m)
				}
				found += bytes.Count([]byte(text), m)
			}
			if found != 1 {
				t.Errorf("%d before, %d behind: found %d times in %s", before, behind, found, text)
			}
		}
	}
}

// TestSealed: no name of a line, and no destination, is in what the room keeps outside of the database, whichever source
// said it, also where it stands in the first line of a file.
func TestSealed(t *testing.T) {
	const kea, dhcp = "02:5e:53:a1:b2:c3", "02:5e:53:d4:e5:f6"
	in := t.TempDir()
	file := func(name, text string) string {
		write(t, filepath.Join(in, name), text)
		return filepath.Join(in, name)
	}
	to := netip.MustParseAddr("203.0.113.99")
	flow := func(at time.Time) string { // of a session, with its destination
		return fmt.Sprintf("%s cgn1 NAT-TCP-C: 100.64.0.7:40000 -> %s:443, 198.51.100.9:40000 <-> %s:443\n", at.Format(time.RFC3339), to, to)
	}
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "table", Since: ten.AddDate(0, -1, 0), File: file("lines.csv",
		"addr,line,from,to,marker.head\n198.51.100.7,marker.ann,2026-01-01,2026-02-01,x\n198.51.100.7,marker.bob,2026-02-01,,x\n2001:db8:7::/48,marker.ann,,,x\n")}}
	cfg.Detail = []sources.Detail{{Name: "detail", Files: []string{file("detail",
		"marker.cay of "+request("Start", "1", "marker.cay", "198.51.100.20", ten)+request("Start", "2", "marker.cay", "198.51.100.20", ten)+request("Start", "3", "marker.dan", "198.51.100.21", ten)+request("Stop", "3", "marker.dan", "198.51.100.21", ten.Add(time.Hour)))}}}
	cfg.Kea = []sources.Leases{{Name: "kea", Files: []string{file("leases4.csv", leaseHeader+lease("198.51.100.30", kea, 3600, ten.Unix()+3600))}}}
	cfg.DHCPD = []sources.Leases{{Name: "dhcpd", Files: []string{file("dhcpd.leases",
		"# "+dhcp+"\n"+fmt.Sprintf("lease 198.51.100.40 {\n  starts 2 2026/03/03 10:00:00;\n  ends 2 2026/03/03 11:00:00;\n  binding state active;\n  hardware ethernet %s;\n}\n", dhcp))}}}
	cfg.NAT = []sources.NAT{{Name: "nat", Files: []string{file("nat.log",
		flow(ten)+block("A", "100.64.0.7", "198.51.100.9", 2048, 4095, ten))}}}
	cfg.Syslog = []sources.Syslog{{Name: "syslog", TCP: free(t), From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	n := newNode(t, cfg)
	n.now = time.Now().UTC()
	n.poll()
	if ann, bob := n.handle("198.51.100.7", 0, "2026-01-15T00:00:00Z"), n.handle("198.51.100.7", 0, "2026-02-15T00:00:00Z"); ann == bob {
		t.Error("two that had an address one after the other are one")
	}
	stop := receiver(t, n)
	c := connect(t, "tcp", cfg.Syslog[0].TCP)
	fmt.Fprintf(c, "<134>1 %s", strings.Replace(flow(n.clock()), " cgn1 ", " cgn1 - - - - ", 1))
	fmt.Fprintf(c, "<134>1 %s", strings.Replace(block("A", "100.64.0.8", "198.51.100.9", 4096, 6143, n.clock()), " cgn1 nat:", " cgn1 nat - - -", 1))
	n.rowsAre(1)
	stop()
	for i, rows := range n.rows() {
		if rows == 0 {
			t.Errorf("source %d has said nothing", i)
		}
	}
	// What goes on, and what has ended, both lie in files.
	if _, err := n.lines.Purge(t.Context(), ten.AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if err := n.lines.Close(); err != nil {
		t.Fatal(err)
	}
	marks := forms(to)
	for _, name := range []string{"marker.", "marker.ann", "marker.bob", "marker.cay", "marker.dan", "marker.head", kea, dhcp} {
		marks = append(marks, named(name)...)
	}
	looked := map[string]int{}
	n.kept(func(what string, data []byte) {
		looked[filepath.Base(what)] += len(data)
		for _, m := range marks {
			if bytes.Contains(data, m) {
				t.Errorf("%s has %q", what, m)
			}
		}
	})
	for _, what := range []string{"read", "known", "files", "the log of table", "the log of nat", "the log of syslog"} {
		if looked[what] < 10 {
			t.Errorf("%s was not looked at", what)
		}
	}
	// Nor is anything but the sealed name in the database.
	rows, err := n.table.SealedLines(t.Context(), 0, 100)
	if err != nil || len(rows) < 6 {
		t.Errorf("%d lines, %v", len(rows), err)
	}
	for _, r := range rows {
		for _, m := range marks {
			if bytes.Contains(r.Name, m) || bytes.Contains([]byte(r.Handle), m) {
				t.Errorf("line %d has %q", r.ID, m)
			}
		}
	}
}
