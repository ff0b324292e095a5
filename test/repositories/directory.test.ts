import { describe, expect, it } from 'vitest'
import { withNews } from '../../src/catalog/news.ts'
import type { Settings } from '../../src/model/repository.ts'
import type { Broadcast } from '../../src/ports/broadcast.ts'
import type { SettingsSource } from '../../src/ports/settings-source.ts'
import { createDirectory } from '../../src/repositories/directory.ts'
import { openBooks } from '../catalog/sample-rows.ts'
import { listLog } from '../list-log.ts'

const ENTRY = '{"base_url":"https://origin.example"}'

describe('the directory of another process', () => {
  it('has a repository that was made through the API at once, and loses one that was dropped', async () => {
    const { here, there } = await open()
    await here.putRepository('made', ENTRY)
    await eventually(() => expect(there.find('made')).not.toBeNull())
    await here.dropRepository('made')
    await eventually(() => expect(there.find('made')).toBeNull())
  })

  it('is read again after a gap', async () => {
    const { catalog, there, air } = await open()
    await catalog.putRepository('made', ENTRY)
    expect(there.find('made')).toBeNull()
    for (const { onGap } of air) onGap()
    await eventually(() => expect(there.find('made')).not.toBeNull())
  })

  it('says so when it cannot be read, and keeps what it has', async () => {
    const { here, there, database, logged } = await open()
    await here.putRepository('made', ENTRY)
    await eventually(() => expect(there.find('made')).not.toBeNull())
    const query = database.query.bind(database)
    database.query = (sql, ...rest) =>
      /from repositories/.test(sql) ? Promise.reject(new Error('away')) : query(sql, ...rest)
    await here.putRepository('other', ENTRY)
    await eventually(() => expect(logged.join()).toContain('Cannot read the repositories'))
    expect(there.find('made')).not.toBeNull()
  })
})

/** A catalog that one process writes, and the directory of another. */
async function open() {
  const { catalog, database, clock } = await openBooks()
  const air: { topic: string; onMessage(message: string): void; onGap(): void }[] = []
  const broadcast: Broadcast = {
    publish(topic, message) {
      for (const listener of air) if (listener.topic === topic) listener.onMessage(message)
    },
    subscribe(topic, onMessage, onGap) {
      air.push({ topic, onMessage, onGap })
      return () => {}
    },
    isConnected: () => true,
    close: async () => {},
  }
  const logged: string[] = []
  const there = createDirectory({ settings: noSettings, catalog, broadcast, clock, log: listLog(logged) })
  await there.ready()
  return { here: withNews(catalog, broadcast), there, catalog, database, air, logged }
}

const noSettings: SettingsSource = {
  current: (): Settings => ({ repositories: new Map(), warnings: [] }),
  origin: 'a test',
  fault: () => null,
  subscribe: () => () => {},
  reload: async () => {},
}

async function eventually(check: () => void): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return check()
    } catch (error) {
      if (tries > 200) throw error
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
