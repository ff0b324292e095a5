// What every Lease does. `pass` lets time go by for the driver: a fake clock moved on, or real waiting.

import { describe, expect, it } from 'vitest'
import type { HeldLease, Lease } from '../../src/ports/lease.ts'

export interface LeaseSubject {
  readonly lease: Lease
  pass(seconds: number): Promise<void>
  close?(): Promise<void>
}

export function describeLease(name: string, open: () => Promise<LeaseSubject>) {
  describe(`Lease contract: ${name}`, () => {
    async function using(test: (subject: LeaseSubject) => Promise<void>) {
      const subject = await open()
      try {
        await test(subject)
      } finally {
        await subject.close?.()
      }
    }

    it('is refused while another holds it', () =>
      using(async ({ lease }) => {
        await take(lease, 'a', 30)
        expect(await lease.acquire('a', 30)).toBe(null)
      }))

    it('is given for one name and not for others', () =>
      using(async ({ lease }) => {
        await take(lease, 'a/b', 30)
        await take(lease, 'a%2Fb', 30)
        await take(lease, 'ä 日本', 30)
      }))

    it('is free again when it is released', () =>
      using(async ({ lease }) => {
        const held = await take(lease, 'a', 30)
        await held.release()
        await take(lease, 'a', 30)
      }))

    it('is free again after its ttl', () =>
      using(async ({ lease, pass }) => {
        await take(lease, 'a', 0.5)
        await pass(0.7)
        await take(lease, 'a', 30)
      }))

    it('is not freed by a late or a second release', () =>
      using(async ({ lease, pass }) => {
        const first = await take(lease, 'a', 0.5)
        await pass(0.7)
        const second = await take(lease, 'a', 30)
        await first.release()
        await first.release()
        expect(await lease.acquire('a', 30)).toBe(null)
        expect((await lease.holder('a'))?.token).toBe(second.token)
      }))

    it('lasts longer when it is renewed', () =>
      using(async ({ lease, pass }) => {
        const held = await take(lease, 'a', 0.5)
        expect(await held.renew(30)).toBe(true)
        await pass(0.7)
        expect(await lease.acquire('a', 30)).toBe(null)
      }))

    it('cannot be renewed once it is lost', () =>
      using(async ({ lease, pass }) => {
        const expired = await take(lease, 'a', 0.5)
        await pass(0.7)
        expect(await expired.renew(30)).toBe(false)
        const next = await take(lease, 'a', 30)
        expect(await expired.renew(30)).toBe(false)
        await next.release()
        expect(await next.renew(30)).toBe(false)
        expect(await lease.holder('a')).toBe(null)
      }))

    it('tells who holds it, and nobody when it is free', () =>
      using(async ({ lease, pass }) => {
        expect(await lease.holder('a')).toBe(null)
        const held = await take(lease, 'a', 0.5)
        expect(await lease.holder('a')).toEqual({ token: held.token, note: '' })
        await pass(0.7)
        expect(await lease.holder('a')).toBe(null)
      }))

    it('tells the note its holder left, also after a renewal', () =>
      using(async ({ lease }) => {
        const held = await lease.acquire('a', 30, 'http://10.0.0.1:8001 ä')
        await held?.renew(30)
        expect((await lease.holder('a'))?.note).toBe('http://10.0.0.1:8001 ä')
        await held?.release()
        await lease.acquire('a', 30, 'other')
        expect((await lease.holder('a'))?.note).toBe('other')
      }))

    it('has a token that grows with every acquisition', () =>
      using(async ({ lease, pass }) => {
        const first = await take(lease, 'a', 30)
        await first.release()
        const second = await take(lease, 'a', 0.5)
        await pass(0.7)
        const third = await take(lease, 'a', 30)
        expect(second.token).toBeGreaterThan(first.token)
        expect(third.token).toBeGreaterThan(second.token)
      }))

    it('has one winner among fifty at once', () =>
      using(async ({ lease }) => {
        const answers = await Promise.all(Array.from({ length: 50 }, () => lease.acquire('a', 30)))
        expect(answers.filter(held => held !== null)).toHaveLength(1)
      }))
  })
}

async function take(lease: Lease, name: string, ttlSeconds: number): Promise<HeldLease> {
  const held = await lease.acquire(name, ttlSeconds)
  expect(held).not.toBe(null)
  return held!
}
