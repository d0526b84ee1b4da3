const at = (id) => document.getElementById(id)
at('script').textContent = 'with script'
// What comes late has to be waited for.
setTimeout(() => { at('late').disabled = false }, 300)
at('late').onclick = () => { at('clicked').textContent = 'it was clicked' }

const challenge = new Uint8Array(32)
at('make').onclick = async () => {
  try {
    const made = await navigator.credentials.create({ publicKey: {
      challenge, rp: { name: 'Made up' }, user: { id: new Uint8Array([1]), name: 'ada', displayName: 'Ada' },
      pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    } })
    at('passkey').textContent = 'made ' + made.id
  } catch (err) { at('passkey').textContent = err.name }
}
at('use').onclick = async () => {
  try {
    const used = await navigator.credentials.get({ publicKey: { challenge, userVerification: 'required' } })
    at('passkey').textContent = 'used ' + used.id
  } catch (err) { at('passkey').textContent = err.name }
}
