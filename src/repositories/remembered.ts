// Negative answers that are remembered for a while: what the origin does not have, and what policy holds back until a
// known time. Repeats cost the origin nothing.

import type { KeyValue } from '../ports/key-value.ts'

export type Remembered =
  | { readonly kind: 'negative'; readonly status: number }
  | { readonly kind: 'withheld'; readonly until: number; readonly reason: string }

export async function findRemembered(
  keyValue: KeyValue,
  repository: string,
  key: string,
): Promise<Remembered | null> {
  const text = await keyValue.get(nameOf(repository, key))
  if (text === null) return null
  const value: unknown = JSON.parse(text)
  return value as Remembered // our own writing, under a name of our own
}

export async function remember(
  keyValue: KeyValue,
  repository: string,
  key: string,
  what: Remembered,
  ttlSeconds: number,
): Promise<void> {
  if (ttlSeconds > 0) await keyValue.set(nameOf(repository, key), JSON.stringify(what), ttlSeconds)
}

export async function forgetRemembered(keyValue: KeyValue, repository: string, key: string): Promise<void> {
  await keyValue.delete(nameOf(repository, key))
}

function nameOf(repository: string, key: string): string {
  return `no:${repository}\0${key}`
}
