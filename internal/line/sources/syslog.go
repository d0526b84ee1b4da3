package sources

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/line"
	"tocsin/internal/line/nat"
	"tocsin/internal/line/syslog"
)

// server takes in what comes over the network.
type server interface {
	Run(ctx context.Context) error
	Close() error
}

// openSyslog opens the sources of the receivers.
func (l *Lines) openSyslog(ctx context.Context) error {
	for i := range l.cfg.Syslog {
		s := &l.cfg.Syslog[i]
		if err := l.source(ctx, s.Name, "syslog", s.Keep, line.Rules{}, reader{}); err != nil {
			return err
		}
	}
	return nil
}

// listenSyslog opens their ports.
func (l *Lines) listenSyslog() error {
	for i := range l.cfg.Syslog {
		c := &l.cfg.Syslog[i]
		z, err := zone(c.Zone)
		if err != nil {
			return err
		}
		cfg := syslog.Config{UDP: c.UDP, TCP: c.TCP, TLS: c.TLS, From: c.From, Logs: nat.Logs{Realm: c.Realm, VRFs: c.VRFs, Zone: z, OwnPorts: c.OwnPorts}}
		if c.TLS != "" {
			if cfg.Certificates, err = syslog.Certificates(c.Cert, c.Key, c.ClientCA); err != nil {
				return fmt.Errorf("lines.syslog[%d]: %w", i, err)
			}
		}
		s := l.named(c.Name)
		reg := l.needs.Registry
		if reg != nil {
			reg = prometheus.WrapRegistererWith(prometheus.Labels{"source": c.Name}, reg)
		}
		server, err := syslog.Listen(cfg, s.archive.Heard(), func(ctx context.Context, records []line.Record) error {
			refused, err := s.archive.Tell(ctx, records)
			s.refused.Add(int64(refused))
			return err
		}, l.needs.Now, l.needs.Logger.With("source", c.Name), reg)
		if err != nil {
			return err
		}
		l.servers = append(l.servers, server)
	}
	return nil
}
