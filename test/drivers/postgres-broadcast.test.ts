import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBroadcastInbox } from '../../src/drivers/postgres-inbox.ts'
import { createBroadcastOutbox } from '../../src/drivers/postgres-outbox.ts'
import { describeBroadcast } from '../contracts/broadcast.ts'
import { hasPostgres, openPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'

describe.skipIf(!hasPostgres())('Postgres', () => {
  let server: PostgresService
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  describeBroadcast('Postgres', async () => {
    const options = server.options()
    const [here, there] = [openPostgres(options), openPostgres(options)]
    return {
      here: here.broadcast,
      there: there.broadcast,
      async cut() {
        await server.crash()
        return () => server.restart()
      },
      async close() {
        await Promise.all([here.close(), there.close()])
      },
    }
  })

  it('notices within seconds that a server is silent, and comes back by itself', async () => {
    const options = server.options()
    const [here, there] = [openPostgres(options), openPostgres(options)]
    const heard: string[] = []
    there.broadcast.subscribe(
      'x',
      text => heard.push(text),
      () => heard.push('gap'),
    )
    await until(() => here.broadcast.isConnected() && there.broadcast.isConnected())
    const thaw = await server.freeze()
    await until(() => !there.broadcast.isConnected(), 8_000)
    heard.length = 0
    thaw()
    await until(() => there.broadcast.isConnected() && here.broadcast.isConnected())
    here.broadcast.publish('x', 'after')
    await until(() => heard.includes('after'))
    expect(heard[0]).toBe('gap')
    await Promise.all([here.close(), there.close()])
  })

  it('does not hear other schemas of the same database', async () => {
    const [here, there] = [openPostgres(server.options()), openPostgres(server.options())]
    const heard: string[] = []
    there.broadcast.subscribe(
      'x',
      text => heard.push(text),
      () => {},
    )
    await until(() => there.broadcast.isConnected())
    here.broadcast.publish('x', 'of another')
    await sleep(200)
    expect(heard).toEqual([])
    await Promise.all([here.close(), there.close()])
  })
})

describe('notifications', () => {
  function hear() {
    const inbox = createBroadcastInbox('self')
    const heard: string[] = []
    inbox.subscribe(
      't',
      text => heard.push(text),
      () => heard.push('gap'),
    )
    return { inbox, heard }
  }

  it('that come twice are heard once', () => {
    const { inbox, heard } = hear()
    inbox.receive('["a",1,[["t","one"]]]')
    inbox.receive('["a",1,[["t","one"]]]')
    inbox.receive('["b",1,[["t","other"]]]')
    expect(heard).toEqual(['one', 'other'])
  })

  it('that are missing are a gap, told before the next one', () => {
    const { inbox, heard } = hear()
    inbox.receive('["a",7,[["t","seven"]]]')
    inbox.receive('["a",9,[["t","nine"]]]')
    expect(heard).toEqual(['seven', 'gap', 'nine'])
  })

  it.each(['', 'x', '{}', '["a"]', '["a","1",[]]', '["a",1,["t"]]', '["a",1,[["t",5]]]'])(
    'of others that mean nothing are ignored: %s',
    payload => {
      const { inbox, heard } = hear()
      inbox.receive(payload)
      expect(heard).toEqual([])
    },
  )

  it('hold as many messages as they may, in order, and never more', async () => {
    const sent: string[] = []
    const outbox = createBroadcastOutbox('s'.repeat(36), async payload => {
      await sleep(1)
      sent.push(payload)
    })
    const texts = Array.from({ length: 400 }, (_, i) => `${i} ${'ä'.repeat(i)}`)
    for (const text of texts) outbox.add('t', text)
    await outbox.close()
    expect(sent.every(payload => Buffer.byteLength(payload) < 8000)).toBe(true)
    expect(sent.length).toBeLessThan(40)
    expect(sent.flatMap(payload => JSON.parse(payload)[2]).map(([, text]: [string, string]) => text)).toEqual(
      texts,
    )
  })

  it('that cannot be sent are a gap of their topics, before what comes later', async () => {
    const sent: unknown[] = []
    let isAway = true
    const outbox = createBroadcastOutbox('s', async payload => {
      await sleep(1)
      if (isAway) throw new Error('away')
      sent.push(...JSON.parse(payload)[2])
    })
    outbox.add('a', 'lost')
    outbox.add('b', 'lost')
    await sleep(20)
    isAway = false
    outbox.add('a', 'after')
    await until(() => sent.length === 3)
    expect(sent).toEqual([
      ['a', null],
      ['b', null],
      ['a', 'after'],
    ])
  })

  it('never pile up: a hundred thousand that cannot be sent are a few gaps', async () => {
    const sent: unknown[] = []
    let open = () => {}
    const opened = new Promise<void>(resolve => {
      open = resolve
    })
    const outbox = createBroadcastOutbox('s', async payload => {
      await opened
      sent.push(...JSON.parse(payload)[2])
    })
    for (let i = 0; i < 100_000; i++) outbox.add('t', String(i))
    open()
    await outbox.close()
    expect(sent.length).toBeLessThan(10_000)
    expect(sent).toContainEqual(['t', null])
    expect(sent.at(-1)).toEqual(['t', '99999'])
  })
})

async function until(isSo: () => boolean, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`Not so within ${limitMs} ms: ${isSo}`)
    await sleep(5)
  }
}
