package inquiry

import (
	"time"
)

const day = 24 * time.Hour

// Config limits what people may ask of lines.
type Config struct {
	// Daily is how many questions about lines people may ask in a day (UTC), all of them together, 0 to 10000. Above it
	// each waits for a second person, and the log tells oversight. 0: each waits.
	Daily int `yaml:"daily"`
	// Keep is how long a question is kept with who asked it and why, at least 24h. Its entry in the log stays, and says
	// nothing of it any more.
	Keep time.Duration `yaml:"keep"`
}

// Defaults is a budget for a desk of a few people.
func Defaults() Config { return Config{Daily: 100, Keep: 365 * day} }

// Validate reports every broken rule at once, as *report.FieldErrors of fields below key.
func (c *Config) Validate(bad func(field, rule string)) {
	if c.Daily < 0 || c.Daily > 10000 {
		bad("daily", "give 0 to 10000")
	}
	if c.Keep < day {
		bad("keep", "keep questions for 24h at least")
	}
}
