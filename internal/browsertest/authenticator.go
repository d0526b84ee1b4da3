package browsertest

import (
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
)

// Authenticator keeps passkeys for one page as a laptop's or phone's does, and its person always agrees. Passkeys need
// a page at localhost or with TLS: 127.0.0.1 is no name that a passkey can be for (WebAuthn Level 3 §5.1.3).
type Authenticator struct {
	page *Page
	id   webauthn.AuthenticatorID
}

// Authenticator gives the page an authenticator, until it is removed or the page is closed.
func (p *Page) Authenticator(t testing.TB) *Authenticator {
	t.Helper()
	const what = "add an authenticator"
	command(t, p, what, webauthn.Enable, webauthn.EnableParams{})
	res := command(t, p, what, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol:                    webauthn.AuthenticatorProtocolCtap2,
			Transport:                   webauthn.AuthenticatorTransportInternal,
			HasResidentKey:              true,
			HasUserVerification:         true,
			IsUserVerified:              true,
			AutomaticPresenceSimulation: true,
		},
	})
	return &Authenticator{p, res.AuthenticatorID}
}

// Passkeys is how many it keeps.
func (a *Authenticator) Passkeys(t testing.TB) int {
	t.Helper()
	return len(command(t, a.page, "count the passkeys", webauthn.GetCredentials,
		webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials)
}

// Remove takes it away with its passkeys, as somebody who lost the phone.
func (a *Authenticator) Remove(t testing.TB) {
	t.Helper()
	command(t, a.page, "remove the authenticator", webauthn.RemoveVirtualAuthenticator,
		webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
	command(t, a.page, "remove the authenticator", webauthn.Disable, cdp.Empty{})
}
