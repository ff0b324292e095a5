// What every KeyValue does. `pass` lets time go by for the driver: a fake clock moved on, or real waiting.

import { describe, expect, it } from 'vitest'
import type { KeyValue } from '../../src/ports/key-value.ts'

export interface KeyValueSubject {
  readonly keyValue: KeyValue
  pass(seconds: number): Promise<void>
  close?(): Promise<void>
}

export function describeKeyValue(name: string, open: () => Promise<KeyValueSubject>) {
  describe(`KeyValue contract: ${name}`, () => {
    async function using(test: (subject: KeyValueSubject) => Promise<void>) {
      const subject = await open()
      try {
        await test(subject)
      } finally {
        await subject.close?.()
      }
    }

    it('gives back what was set, whatever characters it has', () =>
      using(async ({ keyValue }) => {
        const key = 'npm/@scope/päckage?x=1&y=/../2#frag %2F 日本'
        await keyValue.set(key, 'wert "é" 😀\n\u0000', 30)
        await keyValue.set('long/entry', 'stays', 3600)
        expect(await keyValue.get(key)).toBe('wert "é" 😀\n\u0000')
        expect(await keyValue.get('long/entry')).toBe('stays')
      }))

    it('answers null for what was never set', () =>
      using(async ({ keyValue }) => {
        expect(await keyValue.get('nobody')).toBe(null)
      }))

    it('tells an empty value from none', () =>
      using(async ({ keyValue }) => {
        await keyValue.set('empty', '', 30)
        expect(await keyValue.get('empty')).toBe('')
      }))

    it('keeps keys apart that differ in case, a slash or an escape', () =>
      using(async ({ keyValue }) => {
        const keys = ['a/b', 'a%2Fb', 'A/B', 'a/b/', 'a//b', 'a b', 'a+b', 'a%20b', 'a?b', 'a#b']
        for (const key of keys) await keyValue.set(key, `value of ${key}`, 30)
        for (const key of keys) expect(await keyValue.get(key)).toBe(`value of ${key}`)
      }))

    it('takes keys of any length', () =>
      using(async ({ keyValue }) => {
        const long = 'päth/'.repeat(400)
        await keyValue.set(`${long}1`, 'one', 3600)
        await keyValue.set(`${long}2`, 'two', 30)
        expect(await keyValue.get(`${long}1`)).toBe('one')
        expect(await keyValue.get(`${long}2`)).toBe('two')
      }))

    it('replaces the value and its time to live', () =>
      using(async ({ keyValue, pass }) => {
        await keyValue.set('k', 'old', 1)
        await keyValue.set('k', 'new', 30)
        await pass(1.2)
        expect(await keyValue.get('k')).toBe('new')
      }))

    it('replaces a long-lived value by a short-lived one and back', () =>
      using(async ({ keyValue, pass }) => {
        await keyValue.set('k', 'long', 3600)
        await keyValue.set('k', 'short', 1)
        expect(await keyValue.get('k')).toBe('short')
        await pass(1.2)
        expect(await keyValue.get('k')).toBe(null)
        await keyValue.set('k', 'long again', 3600)
        expect(await keyValue.get('k')).toBe('long again')
      }))

    it('forgets a value when its time is over', () =>
      using(async ({ keyValue, pass }) => {
        await keyValue.set('k', 'v', 1)
        expect(await keyValue.get('k')).toBe('v')
        await pass(1.2)
        expect(await keyValue.get('k')).toBe(null)
      }))

    it('keeps nothing that has no time to live', () =>
      using(async ({ keyValue }) => {
        await keyValue.set('k', 'old', 30)
        await keyValue.set('k', 'new', 0)
        expect(await keyValue.get('k')).toBe(null)
      }))

    it('forgets what is deleted, short-lived or long-lived, and deletes what is missing', () =>
      using(async ({ keyValue }) => {
        await keyValue.set('short', 'v', 30)
        await keyValue.set('long', 'v', 3600)
        await keyValue.delete('short')
        await keyValue.delete('long')
        await keyValue.delete('missing')
        expect(await keyValue.get('short')).toBe(null)
        expect(await keyValue.get('long')).toBe(null)
      }))
  })
}
