package postfixtest_test

import (
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/postfixtest"
)

// TestPostfix: it takes a mail, keeps it while nobody is there, and refuses what it has no route for.
func TestPostfix(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := postfixtest.Start(t, postfixtest.Config{Routes: map[string]string{"example.net": "lmtp:inet:" + nobody.Addr().String()}})
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	text := []byte("Subject: x\r\n\r\ny\r\n")
	if err := smtp.SendMail(p.Address, nil, "", []string{"abuse@example.com"}, text); err == nil {
		t.Error("it took a mail that it has no route for")
	}
	if err := smtp.SendMail(p.Address, nil, "", []string{"abuse@example.net"}, text); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !strings.Contains(p.Log(), "status=deferred"); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it was not deferred")
		}
	}
	if got := p.Waiting(t); got != 1 {
		t.Errorf("%d mails wait", got)
	}
	p.Flush(t)
}
