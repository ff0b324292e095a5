// What Flights do, wherever they fly: one flight for all who want the same thing, each with a body of its own from any
// byte, and one end for all. What flies is the engine itself, and its origins are real servers.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FlightJob, Flights, FlightView } from '../../src/ports/flights.ts'
import { type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'

export interface FlightsSubject {
  readonly flights: Flights
  close(): Promise<void>
}

/** `remotes` as in the configuration file. */
export type OpenFlights = (remotes: Readonly<Record<string, { base_url: string }>>) => Promise<FlightsSubject>

const MEGABYTE = 1_000_000

export function describeFlights(name: string, open: OpenFlights): void {
  describe(`Flights contract: ${name}`, () => {
    const origins: Record<string, Origin> = {}
    let subject: FlightsSubject
    beforeAll(async () => {
      const remotes: Record<string, { base_url: string }> = {}
      // An origin that fails too often is not asked for a while: it is nobody else's.
      for (const each of ['files', 'failing']) {
        origins[each] = await startOrigin()
        remotes[each] = { base_url: origins[each].url }
      }
      remotes.others = remotes.files!
      subject = await open(remotes)
    })
    afterAll(async () => {
      await subject?.close()
      for (const origin of Object.values(origins)) await origin.close()
    })

    const files = () => origins.files!
    const join = (path: string, repository = 'files') => subject.flights.join(jobOf(repository, path))

    it('starts one flight for all who want the same', async () => {
      const body = pattern(600_000, 1)
      files().set('/one.bin', { body })
      const hold = files().hold('/one.bin', 100_000)
      const joining = Array.from({ length: 5 }, () => join('one.bin'))
      await hold.reached
      const views = await Promise.all(joining)
      const hashes = views.map(async view => hashOf(await bodyOf(view)))
      hold.release()
      expect(new Set(await Promise.all(hashes))).toEqual(new Set([body.sha256]))
      expect(views.filter(view => view.isLeader)).toHaveLength(1)
      expect(files().gets('/one.bin')).toBe(1)
    })

    it('keeps apart what is not the same', async () => {
      for (const path of ['/a.bin', '/b.bin']) files().set(path, { body: path })
      const views = [await join('a.bin'), await join('b.bin'), await join('a.bin', 'others')]
      const bodies = await Promise.all(views.map(async view => textOf(await bodyOf(view))))
      expect(bodies).toEqual(['/a.bin', '/b.bin', '/a.bin'])
      expect(views.map(view => view.isLeader)).toEqual([true, true, true])
    })

    it('finds a flight while it flies, and starts none', async () => {
      const body = pattern(400_000, 2)
      files().set('/found.bin', { body })
      const find = () => subject.flights.find(jobOf('files', 'found.bin'))
      expect(await find()).toBeNull()
      const hold = files().hold('/found.bin', 100_000)
      const leader = await join('found.bin')
      const found = await find()
      expect(found?.isLeader).toBe(false)
      expect(await found?.landing).toMatchObject({ kind: 'body', isKept: true, head: { size: 400_000 } })
      hold.release()
      await leader.done
      await until(async () => (await find()) === null)
      expect(files().gets('/found.bin')).toBe(1)
    })

    it('gives those who come late every byte from the first, at once', async () => {
      const body = pattern(2 * MEGABYTE, 3)
      files().set('/late.bin', { body })
      const hold = files().hold('/late.bin', MEGABYTE)
      const leader = await join('late.bin')
      const led = bodyOf(leader)
      await hold.reached
      const late = await join('late.bin')
      const reader = (await streamOf(late)).getReader()
      const first = await reader.read()
      expect(sha256Of(first.value!)).toBe(sha256Of(body.slice(0, first.value!.byteLength)))
      hold.release()
      expect(hashOf([first.value!, ...(await restOf(reader))])).toBe(body.sha256)
      expect(hashOf(await led)).toBe(body.sha256)
      expect(late.isLeader).toBe(false)
      expect(files().gets('/late.bin')).toBe(1)
    })

    it('gives those who come after many megabytes every byte too, and does not ask the origin again', async () => {
      const body = pattern(12 * MEGABYTE, 4)
      files().set('/very-late.bin', { body })
      const hold = files().hold('/very-late.bin', 10 * MEGABYTE)
      const led = bodyOf(await join('very-late.bin'))
      await hold.reached
      const late = await join('very-late.bin')
      expect([late.isLeader, late.isOpen]).toEqual([false, true])
      const read = bodyOf(late)
      hold.release()
      expect([hashOf(await led), hashOf(await read)]).toEqual([body.sha256, body.sha256])
      expect(files().gets('/very-late.bin')).toBe(1)
    })

    it('gives exactly the part that is asked for', async () => {
      const body = pattern(500_000, 5)
      files().set('/part.bin', { body })
      const hold = files().hold('/part.bin', 300_000)
      const view = await join('part.bin')
      await hold.reached
      const early = await collect(await streamOf(view, 1000, 200_999))
      expect(hashOf(early)).toBe(sha256Of(body.slice(1000, 201_000)))
      const across = streamOf(view, 299_999, 300_000).then(collect)
      const end = streamOf(view, 499_999).then(collect)
      hold.release()
      expect(hashOf(await across)).toBe(sha256Of(body.slice(299_999, 300_001)))
      expect(hashOf(await end)).toBe(sha256Of(body.slice(499_999)))
    })

    it('goes on when the one who started it leaves', async () => {
      const body = pattern(3 * MEGABYTE, 6)
      files().set('/left.bin', { body })
      const hold = files().hold('/left.bin', MEGABYTE)
      const leader = await join('left.bin')
      const reader = (await streamOf(leader)).getReader()
      await reader.read()
      const other = await join('left.bin')
      await reader.cancel()
      hold.release()
      expect(hashOf(await bodyOf(other))).toBe(body.sha256)
      expect(await other.done).toMatchObject({ sha256: body.sha256 })
      expect(files().gets('/left.bin')).toBe(1)
    })

    it('goes on when nobody is left', async () => {
      const body = pattern(3 * MEGABYTE, 7)
      files().set('/nobody.bin', { body })
      const hold = files().hold('/nobody.bin', MEGABYTE)
      const leader = await join('nobody.bin')
      await (await streamOf(leader)).cancel()
      hold.release()
      await until(async () => (await subject.flights.find(jobOf('files', 'nobody.bin'))) === null)
      expect(await (await join('nobody.bin')).landing).toMatchObject({ kind: 'kept', how: 'fresh' })
      expect(files().gets('/nobody.bin')).toBe(1)
    })

    it('tells what was kept, and is over then', async () => {
      files().set('/kept.bin', { body: 'kept' })
      const view = await join('kept.bin')
      const row = { repository: 'files', key: 'kept.bin', sha256: sha256Of('kept'), size: 4 }
      expect(await view.done).toMatchObject(row)
      await until(async () => (await subject.flights.find(jobOf('files', 'kept.bin'))) === null)
      const again = await join('kept.bin')
      expect(again.isLeader).toBe(true)
      expect(await again.landing).toMatchObject({ kind: 'kept', how: 'fresh', row })
      expect(files().gets('/kept.bin')).toBe(1)
    })

    it('lands with what the origin says instead of a body, for all', async () => {
      const hold = files().hold('/absent.bin', null)
      const joining = Array.from({ length: 3 }, () => join('absent.bin'))
      await hold.reached
      // Until all have joined: what lands with nothing takes no newcomers.
      await sleep(300)
      hold.release()
      for (const view of await Promise.all(joining)) {
        expect(await view.landing).toMatchObject({ kind: 'negative', status: 404 })
        expect(await view.done).toBeNull()
        expect(view.body()).toBeNull()
      }
      expect(files().gets('/absent.bin')).toBe(1)
    })

    it('tells all of a failure before anything came', async () => {
      origins.failing!.set('/reset.bin', { reset: true })
      const hold = origins.failing!.hold('/reset.bin', null)
      hold.release()
      const views = await Promise.all([join('reset.bin', 'failing'), join('reset.bin', 'failing')])
      for (const view of views) {
        await expect(view.landing).rejects.toMatchObject({ isUnreachable: true })
        await expect(view.done).rejects.toMatchObject({ isUnreachable: true })
        expect(view.body()).toBeNull()
      }
    })

    it('breaks off all bodies when the origin breaks off, and keeps nothing', async () => {
      const origin = origins.failing!
      origin.set('/breaks.bin', { body: pattern(2 * MEGABYTE, 8), cutAt: 1_500_000, noRanges: true })
      const hold = origin.hold('/breaks.bin', MEGABYTE)
      const views = [await join('breaks.bin', 'failing'), await join('breaks.bin', 'failing')]
      const ends = views.map(async view => bodyOf(view).catch(error => error))
      const done = views.map(view => view.done.catch(error => error))
      hold.release()
      for (const end of await Promise.all([...ends, ...done])) expect(end).toBeInstanceOf(Error)
      for (const end of await Promise.all(done)) expect(end).toMatchObject({ code: 'upstream-broken' })
      origin.set('/breaks.bin', { body: 'whole' })
      expect(textOf(await bodyOf(await join('breaks.bin', 'failing')))).toBe('whole')
    })
  })
}

export function jobOf(repository: string, path: string): FlightJob {
  const target = { kind: 'file', key: path, path, originPath: path, fileName: path } as const
  return { repository, target: { ...target, defaultClass: 'immutable' } }
}

async function streamOf(view: FlightView, start?: number, end?: number): Promise<ReadableStream<Uint8Array>> {
  expect(await view.landing).toMatchObject({ kind: 'body' })
  const stream = view.body(start, end)
  if (stream === null) throw new Error('There is no body')
  return stream
}

async function bodyOf(view: FlightView): Promise<Uint8Array[]> {
  return collect(await streamOf(view))
}

function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array[]> {
  return restOf(stream.getReader())
}

async function restOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return chunks
    chunks.push(value)
  }
}

function hashOf(chunks: readonly Uint8Array[]): string {
  return sha256Of(Buffer.concat(chunks))
}

function textOf(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString()
}

/** A flight is over a moment after its last byte. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200 && !(await isTrue()); i++) await sleep(25)
  expect(await isTrue()).toBe(true)
}
