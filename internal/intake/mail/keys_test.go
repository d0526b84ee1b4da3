package mail_test

import (
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"tocsin/internal/intake/mail"
)

// nameServer answers each question for a TXT record with the name asked for, over UDP.
func nameServer(t *testing.T) (address string) {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.TXTResource{TXT: []string{"v=DKIM1; ", "n=" + q.Name.String()}},
			}}
			if b, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(b, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// TestResolverAt asks the server that the config names, and no other.
func TestResolverAt(t *testing.T) {
	got, err := mail.ResolverAt(nameServer(t)).LookupTXT(t.Context(), "s._domainkey.trusted.example.")
	if err != nil || len(got) != 1 || got[0] != "v=DKIM1; n=s._domainkey.trusted.example." {
		t.Errorf("got %q, %v", got, err)
	}
	if mail.ResolverAt("") != net.DefaultResolver {
		t.Error("without an address it is not the machine's own")
	}
}
