// What Workers (with nodejs_compat) are asked for of node:crypto; their own types do not speak of it.

declare module 'node:crypto' {
  export function createHash(algorithm: string): {
    update(bytes: Uint8Array): void
    digest(encoding: 'hex'): string
  }
}
