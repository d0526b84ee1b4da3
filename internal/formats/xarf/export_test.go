package xarf

// Verdict returns what the rules find broken in one report, which is nothing where its schema would accept it.
func Verdict(raw []byte) []string {
	b := &builder{}
	if wrong := b.tree.read(raw); wrong != "" {
		return []string{wrong}
	}
	b.start(&b.tree)
	if b.at("xarf_version") != 0 {
		b.checkV4(b.str(b.at("category")), b.str(b.at("type")))
		return b.broken
	}
	version := b.str(b.at("Version"))
	if b.at("Version") == 0 {
		version = "alpha"
	}
	if !b.checkLegacy(version) {
		return []string{"unknown version"}
	}
	return b.broken
}

// Known lists category/type of every meaning, so that a test can ask whether each is a kind of RSIT.
func Known() map[string]string {
	all := map[string]string{}
	for category, types := range v4Meanings {
		for name, m := range types {
			all[category+"/"+name] = m.kind.String()
		}
	}
	for name, m := range legacyMeanings {
		all["legacy/"+name] = m.kind.String()
	}
	return all
}

// Official lists category/type of the 32 types of 4.2.
func Official() []string {
	var all []string
	for name := range v4Types {
		all = append(all, name)
	}
	return all
}

// Limits for tests.
const (
	MaxBytes = maxBytes
	MaxDepth = maxDepth
)
