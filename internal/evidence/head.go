package evidence

// Head is how far the log has come: what a checkpoint signs.
type Head struct {
	Size       uint64
	Root       [32]byte // RFC 6962 §2.1
	Checkpoint []byte   // the signed note
}
