package bench

import ("os";"runtime";"runtime/pprof";"time";"fmt")

func init() {
	if os.Getenv("DBGHEAP") == "" { return }
	go func() {
		var best uint64
		for {
			time.Sleep(300*time.Millisecond)
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if m.HeapAlloc > best+20<<20 {
				best = m.HeapAlloc
				f, _ := os.Create(os.Getenv("DBGHEAP"))
				pprof.WriteHeapProfile(f); f.Close()
				fmt.Fprintln(os.Stderr, "heap", m.HeapAlloc>>20, "sys", m.Sys>>20, "rel", m.HeapReleased>>20)
			}
		}
	}()
}
