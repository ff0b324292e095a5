// What every Broadcast does between two processes. What may get lost may get lost only with a gap told.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Broadcast } from '../../src/ports/broadcast.ts'

export interface BroadcastSubject {
  /** Two processes that share the stores. */
  readonly here: Broadcast
  readonly there: Broadcast
  /** Cuts both off from what carries their messages, until the returned function is called. Absent where nothing can be cut. */
  cut?(): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** How long a message, or coming back after a cut, may take. */
const LIMIT_MS = 5_000

export function describeBroadcast(name: string, open: () => Promise<BroadcastSubject>) {
  describe(`Broadcast contract: ${name}`, () => {
    let subject: BroadcastSubject
    let topics = 0

    beforeAll(async () => {
      subject = await open()
      await until(() => subject.here.isConnected() && subject.there.isConnected())
    })
    afterAll(() => subject?.close())

    /** A topic of this test alone, and what each side hears of it: messages, and `gap`s. */
    function listen() {
      const topic = `topic ${++topics} ä`
      const [here, there] = [subscribe(subject.here, topic), subscribe(subject.there, topic)]
      return { topic, here, there }
    }

    it('carries messages to the other process, in the order of the calls', async () => {
      const { topic, here, there } = listen()
      for (let i = 0; i < 5; i++) subject.here.publish(topic, `to there ${i}`)
      for (let i = 0; i < 5; i++) subject.there.publish(topic, `to here ${i}`)
      await until(() => there.messages().length === 5 && here.messages().length === 5)
      expect(there.messages()).toEqual([0, 1, 2, 3, 4].map(i => `to there ${i}`))
      expect(here.messages()).toEqual([0, 1, 2, 3, 4].map(i => `to here ${i}`))
    })

    it('is not heard by whoever published', async () => {
      const { topic, here, there } = listen()
      subject.here.publish(topic, 'own')
      await until(() => there.messages().includes('own'))
      subject.there.publish(topic, 'after it')
      await until(() => here.messages().includes('after it'))
      expect(here.messages()).toEqual(['after it'])
    })

    it('keeps topics apart', async () => {
      const [one, two] = [listen(), listen()]
      subject.here.publish(one.topic, 'one')
      subject.here.publish(two.topic, 'two')
      await until(() => two.there.messages().length > 0)
      expect([one.there.messages(), two.there.messages()]).toEqual([['one'], ['two']])
    })

    it('carries every character, and no character at all', async () => {
      const { topic, there } = listen()
      const texts = ['', 'a\0b', '日本 😀 ä', `'"\\$1\n\t{}[]`, ' ']
      for (const text of texts) subject.here.publish(topic, text)
      await until(() => there.messages().length === texts.length)
      expect(there.messages()).toEqual(texts)
    })

    it('is heard by all who subscribed, until they stop', async () => {
      const { topic, there } = listen()
      const more = subscribe(subject.there, topic)
      subject.here.publish(topic, 'first')
      await until(() => more.messages().length === 1)
      more.stop()
      more.stop()
      subject.here.publish(topic, 'second')
      await until(() => there.messages().length === 2)
      expect(more.messages()).toEqual(['first'])
    })

    it('goes on when a subscriber stops while it hears', async () => {
      const { topic, there } = listen()
      const stop = subject.there.subscribe(
        topic,
        () => stop(),
        () => {},
      )
      const last = subscribe(subject.there, topic)
      subject.here.publish(topic, 'x')
      await until(() => there.messages().length === 1 && last.messages().length === 1)
    })

    it('carries a message of 100 KB, or tells of a gap', async () => {
      const { topic, there } = listen()
      const large = 'ä'.repeat(50_000)
      subject.here.publish(topic, large)
      subject.here.publish(topic, 'after it')
      await until(() => there.messages().includes('after it'))
      expect(there.heard()[0] === large || there.heard().includes(GAP)).toBe(true)
    })

    it('carries thousands at once in their order, or tells of a gap', async () => {
      const { topic, there } = listen()
      const texts = Array.from({ length: 3000 }, (_, i) => `message ${i} ${'x'.repeat(i % 200)}`)
      for (const text of texts) subject.here.publish(topic, text)
      subject.here.publish(topic, 'last')
      await until(() => there.messages().includes('last'))
      const messages = there.messages().filter(text => text !== 'last')
      if (!there.heard().includes(GAP)) expect(messages).toEqual(texts)
      else expect(messages).toEqual(texts.filter(text => messages.includes(text)))
    })

    it('tells of a gap after it was cut off, before it counts as connected and before the next message', async context => {
      if (subject.cut === undefined) return context.skip('nothing can be cut')
      const { topic, here, there } = listen()
      const mend = await subject.cut()
      await until(() => !subject.here.isConnected() && !subject.there.isConnected())
      await mend()
      await until(() => subject.there.isConnected())
      expect(there.heard()).toContain(GAP)
      await until(() => subject.here.isConnected())
      expect(here.heard()).toContain(GAP)
      subject.here.publish(topic, 'after')
      await until(() => there.messages().includes('after'))
      expect(there.heard().indexOf(GAP)).toBeLessThan(there.heard().indexOf('after'))
    })

    it('hears everything from the moment it counts as connected again', async context => {
      if (subject.cut === undefined) return context.skip('nothing can be cut')
      const { topic, there } = listen()
      const mend = await subject.cut()
      await until(() => !subject.there.isConnected() && !subject.here.isConnected())
      const mended = mend()
      await until(() => subject.there.isConnected() && subject.here.isConnected())
      for (let i = 0; i < 20; i++) subject.here.publish(topic, String(i))
      await mended
      await until(() => there.messages().length >= 20)
      expect(there.messages()).toEqual(Array.from({ length: 20 }, (_, i) => String(i)))
    })

    it('never fails while it is cut off; what was published then arrives, or the others hear of a gap', async context => {
      if (subject.cut === undefined) return context.skip('nothing can be cut')
      const { topic, there } = listen()
      const mend = await subject.cut()
      await until(() => !subject.here.isConnected())
      for (let i = 0; i < 2000; i++) subject.here.publish(topic, `lost ${i}`)
      await mend()
      await until(() => subject.here.isConnected() && subject.there.isConnected())
      subject.here.publish(topic, 'after')
      await until(() => there.messages().includes('after'))
      expect(there.heard().includes(GAP) || there.messages().length === 2001).toBe(true)
    })

    it('is closed twice as once, and silent from then on', async () => {
      const { here, there, close } = await open()
      const { messages } = subscribe(there, 'closing')
      await here.close()
      await here.close()
      here.publish('closing', 'too late')
      await sleep(100)
      expect([messages(), here.isConnected()]).toEqual([[], false])
      await close()
    })
  })
}

const GAP = Symbol('gap')

function subscribe(broadcast: Broadcast, topic: string) {
  const heard: (string | typeof GAP)[] = []
  const stop = broadcast.subscribe(
    topic,
    message => heard.push(message),
    () => heard.push(GAP),
  )
  onTestFinished(stop)
  return {
    heard: () => heard,
    messages: () => heard.filter(each => each !== GAP),
    stop,
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MS
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`Not so within ${LIMIT_MS} ms: ${isSo}`)
    await sleep(2)
  }
}
