package folder

// Unwatch leaves the periodic scan as the only way to hear of changes, as on a system that tells of none.
func (f *Folder) Unwatch() { f.unwatch() }
