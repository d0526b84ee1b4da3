package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// need is something that the tests use and Go's modules do not bring.
type need struct {
	name     string
	packages []string // Debian's
	present  func(context.Context) bool
	race     bool   // only the race detector uses it
	answer   string // to what a package's installation would ask, as debconf-set-selections reads it
}

func needs() []need {
	return []need{
		{"a C compiler", []string{"gcc", "libc6-dev"}, compiles, true, ""},
		{"PostgreSQL", []string{"postgresql"}, func(context.Context) bool { _, err := postgresFolder(); return err == nil }, false, ""},
		// Without a config Postfix's own service does not start: tests run instances of their own.
		{"Postfix", []string{"postfix"}, program("postfix"), false, "postfix postfix/main_mailer_type select No configuration"},
		{"dovecot", []string{"dovecot-imapd"}, program("dovecot"), false, ""},
		{"swaks", []string{"swaks"}, program("swaks"), false, ""},
		{"MariaDB", []string{"mariadb-server"}, program("mariadbd"), false, ""},
		{"openssl", []string{"openssl"}, program("openssl"), false, ""},
		{"radclient", []string{"freeradius-utils"}, program("radclient"), false, ""},
		{"logger", []string{"bsdutils"}, program("logger"), false, ""},
		// Its own service may start: tests run instances of their own.
		{"rsyslogd", []string{"rsyslog"}, program("rsyslogd"), false, ""},
		{"rsyslog's TLS", []string{"rsyslog-gnutls"}, file("/usr/lib/*/rsyslog/lmnsd_gtls.so"), false, ""},
		{"Chromium", []string{"chromium"}, program("chromium"), false, ""},
		// Letters of many scripts, so that pictures of pages look as they do at people's.
		{"fonts", []string{"fonts-noto-core", "fonts-dejavu-core"}, file("/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf"), false, ""},
		{"Node.js", []string{"nodejs"}, program("node"), false, ""},
		{"npm", []string{"npm"}, program("npm"), false, ""},
	}
}

// install makes sure that everything is there: as root or with passwordless sudo by itself, else by asking.
func (r runner) install(ctx context.Context, race bool) error {
	var missing, packages, answers []string
	for _, n := range needs() {
		if (n.race && !race) || n.present(ctx) {
			continue
		}
		missing = append(missing, n.name)
		packages = append(packages, n.packages...)
		if n.answer != "" {
			answers = append(answers, n.answer)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	line := "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("the tests need %s: install them, then run this again", strings.Join(missing, " and "))
	}
	var prefix []string
	if os.Geteuid() != 0 {
		if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			return fmt.Errorf("the tests need %s: run this line, then run this again\n\n  sudo %s",
				strings.Join(missing, " and "), line)
		}
		prefix = []string{"sudo", "-n"}
	}
	fmt.Fprintf(r.out, "the tests need %s: %s\n", strings.Join(missing, " and "), line)
	if len(answers) > 0 {
		words := append(slices.Clone(prefix), "debconf-set-selections")
		cmd := r.command(ctx, nil, words[0], words[1:]...)
		cmd.Stdin = strings.NewReader(strings.Join(answers, "\n") + "\n")
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(words, " "), err)
		}
	}
	prefix = append(prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
	for _, step := range [][]string{
		{"update"},
		append([]string{"install", "-y", "--no-install-recommends"}, packages...),
	} {
		words := slices.Concat(prefix, step)
		if err := r.command(ctx, nil, words[0], words[1:]...).Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(words, " "), err)
		}
	}
	for _, n := range needs() {
		if (!n.race || race) && !n.present(ctx) {
			return fmt.Errorf("%s was installed and is not found", n.name)
		}
	}
	return nil
}

// program looks where root's programs are too, which is not in everybody's PATH.
func program(name string) func(context.Context) bool {
	return func(context.Context) bool {
		_, err := exec.LookPath(name)
		if err != nil {
			_, err = exec.LookPath("/usr/sbin/" + name)
		}
		return err == nil
	}
}

// file looks for one, by a pattern.
func file(pattern string) func(context.Context) bool {
	return func(context.Context) bool {
		found, err := filepath.Glob(pattern)
		return err == nil && len(found) > 0
	}
}

// compiles tries it: a compiler without the C library's headers is there and of no use.
func compiles(ctx context.Context) bool {
	cc := strings.Fields(os.Getenv("CC"))
	if len(cc) == 0 {
		cc = []string{"gcc"}
	}
	cmd := exec.CommandContext(ctx, cc[0], append(cc[1:], "-fsyntax-only", "-x", "c", "-")...)
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\n#include <pthread.h>\n")
	return cmd.Run() == nil
}

// postgresFolder is the folder of PostgreSQL's programs: Debian keeps them out of PATH, one folder a version.
func postgresFolder() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	newest, folder := 0.0, ""
	for _, path := range found {
		bin := filepath.Dir(path)
		version, err := strconv.ParseFloat(filepath.Base(filepath.Dir(bin)), 64) // 15, and 9.6 once
		if err == nil && version > newest {
			newest, folder = version, bin
		}
	}
	if folder != "" {
		return folder, nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("PostgreSQL is not installed")
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}
