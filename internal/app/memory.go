package app

import (
	"os"
	"runtime"
	"runtime/debug"
)

// workingMemory is what working reports may take beside what the node holds anyway (address tables above all), before
// the collector works harder: 110 MiB are in use at the most, the rest is room for garbage.
const workingMemory = 144 << 20

// limitMemory keeps a burst of reports from leaving garbage faster than it is collected. The limit is soft: a node with
// more in use goes on, and $GOMEMLIMIT beats it.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetMemoryLimit(int64(m.HeapAlloc) + workingMemory)
}
