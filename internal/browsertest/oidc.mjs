// An OpenID Provider for tests: on loopback, with one client, made-up people, and a form to sign in with.
//
//   node oidc.mjs --id ID --secret SECRET --redirect URI --people JSON
//
// The first line of its output is the issuer. It ends when its input does: with whoever started it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import * as crypto from 'node:crypto'
import { register } from 'node:module'
import { parseArgs } from 'node:util'

if (!('hash' in crypto)) {
  await import('./node18.mjs')
  register('./node18.mjs', import.meta.url)
}
const { default: Provider } = await import('oidc-provider')

const option = { type: 'string' }
const { values: args } = parseArgs({ options: { id: option, secret: option, redirect: option, people: option } })
const people = JSON.parse(args.people)

process.stdin.on('end', () => process.exit(0)).resume()

// The issuer's port has to be known before there is a provider.
const server = createServer()
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${server.address().port}`

const account = (login) => {
  const person = people.find((p) => p.login === login)
  return person && {
    accountId: login,
    claims: () => ({
      sub: login, email: person.email, email_verified: true, name: person.name, groups: person.groups ?? [],
    }),
  }
}

const key = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
const provider = new Provider(issuer, {
  clients: [{
    client_id: args.id,
    client_secret: args.secret,
    redirect_uris: [args.redirect],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }],
  pkce: { required: () => true }, // RFC 7636, also for a client with a secret (RFC 9700 §2.1.1)
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'signing' }] },
  cookies: { keys: [crypto.randomBytes(32).toString('base64url')] },
  claims: {
    openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'],
  },
  findAccount: (ctx, login) => account(login),
  interactions: { url: (ctx, interaction) => `/sign-in/${interaction.uid}` },
  features: { devInteractions: { enabled: false } },
  // Everybody has agreed already: there is one form, not two.
  async loadExistingGrant(ctx) {
    const { client, session, params } = ctx.oidc
    const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId })
    grant.addOIDCScope(params.scope)
    await grant.save()
    return grant
  },
})
for (const event of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error']) {
  provider.on(event, (ctx, err) => console.error(event, err.error_description ?? err, err.error_detail ?? ''))
}

const page = (uid, wrong) => `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Sign in</title><link rel="icon" href="data:,">
<main>
<h1>Sign in</h1>
${wrong ? '<p role="alert">Name or password is wrong.</p>' : ''}
<form method="post" action="/sign-in/${uid}">
<p><label>Name <input name="login" autocomplete="username"></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password"></label></p>
<p><button>Sign in</button></p>
</form>
</main>
</html>
`

async function signIn(req, res) {
  const { uid, prompt } = await provider.interactionDetails(req, res)
  if (req.method === 'POST') {
    const body = []
    for await (const part of req) body.push(part)
    const form = new URLSearchParams(Buffer.concat(body).toString())
    const person = people.find((p) => p.login === form.get('login') && p.password === form.get('password'))
    if (person) {
      await provider.interactionFinished(req, res, { login: { accountId: person.login } })
      return
    }
  }
  if (prompt.name !== 'login') throw new Error(`asked to ${prompt.name}`)
  res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
  res.end(page(uid, req.method === 'POST'))
}

const others = provider.callback()
server.on('request', (req, res) => {
  if (!req.url.startsWith('/sign-in/')) return others(req, res)
  signIn(req, res).catch((err) => {
    console.error(err)
    res.writeHead(400, { 'content-type': 'text/plain' })
    res.end(String(err))
  })
})
console.log(issuer)
