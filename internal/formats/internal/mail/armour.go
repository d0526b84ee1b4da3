package mail

import "bytes"

// Unarmour returns the text of a message with a cleartext signature (RFC 9580 §7): without the armour, its header
// and the signature, and with the dash that escapes a line taken away again. A text without such a message comes back
// as it is. The signature is not checked: authenticity is the intake's question.
func Unarmour(text []byte) []byte {
	const begin, end = "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"
	if !bytes.Contains(text, []byte(begin)) {
		return text
	}
	out := make([]byte, 0, len(text))
	inside, header := false, false
	for line := range bytes.Lines(text) {
		bare := string(bytes.TrimRight(line, " \t\r\n"))
		switch {
		case !inside && bare == begin:
			inside, header = true, true
		case header: // "Hash: SHA256", up to an empty line
			header = bare != ""
		case inside && bare == end:
			return out
		case inside && bytes.HasPrefix(line, []byte("- ")):
			out = append(out, line[2:]...)
		default:
			out = append(out, line...)
		}
	}
	return out
}
