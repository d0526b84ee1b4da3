package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/access"
)

// TestConfig: all that is wrong is said at once, by field.
func TestConfig(t *testing.T) {
	said := func(c access.Config) map[string]string {
		all := map[string]string{}
		c.Validate(func(field, rule string) { all[field] += rule + "\n" })
		return all
	}
	if all := said(access.Defaults()); len(all) != 0 {
		t.Error("the defaults:", all)
	}
	c := access.Config{
		Origin: "http://abuse.example.net/", Idle: time.Second, Absolute: 1000 * time.Hour, Longest: 9000 * time.Hour, Keep: time.Hour,
		OpenID: []access.Issuer{
			{Name: "A b", Issuer: "http://login.example.net", Party: "X"},
			{Name: "s", Issuer: "https://i.example", ClientID: "c", Roles: map[string][]access.Role{"g": {"boss", access.Officer}, "h": {}}},
			{Name: "s", Issuer: "https://j.example", ClientID: "c", Roles: map[string][]access.Role{"g": {access.Officer}}, Party: "police"},
		},
	}
	var got []string
	all := said(c)
	for field := range all {
		got = append(got, field)
	}
	want := []string{
		"absolute", "idle", "keep", "longest_token", "origin", "openid[0].client_id", "openid[0].issuer", "openid[0].name", "openid[0].party", "openid[0].roles",
		"openid[1].roles", "openid[2].name",
	}
	if diff := cmp.Diff(set(want), set(got)); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(all["openid[1].roles"], "\n"); n != 3 {
		t.Errorf("%d faults of roles: %s", n, all["openid[1].roles"])
	}
	for origin, ok := range map[string]bool{
		"https://abuse.example.net": true, "https://abuse.example.net:8443": true, "http://localhost:8420": true, "http://demo.localhost": true,
		"https://Abuse.example.net": false, "https://192.0.2.1": false, "http://abuse.example.net": false, "ftp://localhost": false, "": false,
		"https://abuse.example.net/x": false, "https://a@abuse.example.net": false, "abuse.example.net": false, "https://[2001:db8::1]": false,
	} {
		c := access.Defaults()
		c.Origin = origin
		if all := said(c); (len(all) == 0) != ok {
			t.Errorf("%s: %v", origin, all)
		}
	}
	c.OpenID[1].ClientSecretFile = "secret"
	if at := c.Rebase("/etc/tocsin"); at.OpenID[1].ClientSecretFile != "/etc/tocsin/secret" || c.OpenID[1].ClientSecretFile != "secret" {
		t.Error(at)
	}
}

func set(all []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range all {
		m[s] = true
	}
	return m
}
