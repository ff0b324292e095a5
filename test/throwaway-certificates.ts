// An authority and certificates for one test run, written as DER by hand: nothing secret lies in the repository and
// nothing but node:crypto is needed.

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

export interface Authority {
  /** PEM. */
  readonly ca: string
  issue(hostName: string): { key: string; cert: string }
}

export function createAuthority(): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const isAuthority = extension('551d13', seq(bool(true)), true)
  return {
    ca: certificate('throwaway authority', keys.publicKey, 'throwaway authority', keys.privateKey, [
      isAuthority,
    ]),
    issue(hostName) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const names = extension('551d11', seq(der(0x82, Buffer.from(hostName))))
      return {
        key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        cert: certificate(hostName, own.publicKey, 'throwaway authority', keys.privateKey, [names]),
      }
    },
  }
}

function certificate(
  subject: string,
  subjectKey: KeyObject,
  issuer: string,
  issuerKey: KeyObject,
  extensions: Buffer[],
): string {
  const day = 86_400_000
  const body = seq(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_SHA256,
    commonName(issuer),
    seq(time(Date.now() - day), time(Date.now() + 2 * day)),
    commonName(subject),
    subjectKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, seq(...extensions, extension('551d0e', der(0x04, keyId(subjectKey))))),
  )
  const signature = sign('sha256', body, issuerKey)
  const whole = seq(body, ECDSA_SHA256, der(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

const seq = (...parts: Uint8Array[]) => der(0x30, ...parts)
const integer = (value: Buffer) => der(0x02, value)
const bool = (value: boolean) => der(0x01, Buffer.from([value ? 255 : 0]))
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const ECDSA_SHA256 = seq(oid('2a8648ce3d040302'))

function commonName(name: string): Buffer {
  return seq(der(0x31, seq(oid('550403'), der(0x0c, Buffer.from(name)))))
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return seq(oid(id), ...(isCritical ? [bool(true)] : []), der(0x04, value))
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
}

function time(at: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)}Z`))
}
