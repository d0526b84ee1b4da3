package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
)

// Scheme is which colours a person prefers.
type Scheme string

// The schemes that pages have.
const (
	Light Scheme = "light"
	Dark  Scheme = "dark"
)

// Screen is what a person looks at.
type Screen string

// The screens that pages have to be usable on.
const (
	Desktop Screen = "desktop" // 1280 x 800
	Phone   Screen = "phone"   // 390 x 844, two points a pixel, touched
)

// Emulate changes colours and screen. A page begins light and on a desktop. Nothing moves for its own sake
// (prefers-reduced-motion), so that a picture does not depend on when it is taken.
func (p *Page) Emulate(t testing.TB, scheme Scheme, screen Screen) {
	t.Helper()
	what := fmt.Sprintf("show it %s on a %s", scheme, screen)
	metrics := emulation.SetDeviceMetricsOverrideParams{Width: 1280, Height: 800, DeviceScaleFactor: 1}
	if screen == Phone {
		metrics = emulation.SetDeviceMetricsOverrideParams{Width: 390, Height: 844, DeviceScaleFactor: 2, Mobile: true}
	}
	command(t, p, what, emulation.SetDeviceMetricsOverride, metrics)
	command(t, p, what, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: screen == Phone})
	command(t, p, what, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: string(scheme)},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		},
	})
}

// Zone changes the viewer's time zone, a name of the IANA's. Visit the page anew to see it.
func (p *Page) Zone(t testing.TB, zone string) {
	t.Helper()
	command(t, p, "live in "+zone, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone})
}

// Scripts switches the page's own scripts off or on. Visit the page anew to see it without.
func (p *Page) Scripts(t testing.TB, on bool) {
	t.Helper()
	command(t, p, "switch scripts", emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// Screenshot writes a picture of the whole page, beyond what the screen shows, to a PNG file. It makes the folder.
func (p *Page) Screenshot(t testing.TB, path string) {
	t.Helper()
	what := "take a picture for " + path
	size := command(t, p, what, page.GetLayoutMetrics, struct{}{}).CSSContentSize
	yes := true
	res := command(t, p, what, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &yes,
		Clip:                  &page.Viewport{Width: size.Width, Height: size.Height, Scale: 1},
	})
	p.write(t, path, res.Data)
}

// Print writes the page as it is printed on A4 paper to a PDF file. It makes the folder.
func (p *Page) Print(t testing.TB, path string) {
	t.Helper()
	const width, height = 8.27, 11.69 // inches
	res := command(t, p, "print "+path, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: width, PaperHeight: height})
	p.write(t, path, res.Data)
}

func (p *Page) write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
