// What oidc-provider calls and Node.js 18, which Debian 12 has, lacks. As a loader's hooks it stands for node:crypto
// where oidc-provider imports that, and as that it has one function more.
import { createHash, webcrypto } from 'node:crypto'

export * from 'node:crypto'

export const hash = (algorithm, data, encoding = 'hex') =>
  createHash(algorithm).update(data).digest(encoding === 'buffer' ? undefined : encoding)

export const resolve = (specifier, context, next) =>
  specifier === 'node:crypto' && context.parentURL.includes('/node_modules/oidc-provider/')
    ? { url: import.meta.url, shortCircuit: true }
    : next(specifier, context)

globalThis.crypto ??= webcrypto
URL.parse ??= (url, base) => { try { return new URL(url, base) } catch { return null } }
