import { describe, expect, it } from 'vitest'
import { createJsonLog } from '../../src/drivers/json-log.ts'
import { Problem } from '../../src/model/problem.ts'
import type { LogLevel } from '../../src/ports/log.ts'
import { FakeClock } from '../fake-clock.ts'

describe('JSON log', () => {
  it('writes one JSON object a line, with time, level, message and fields', () => {
    const { log, read } = open()
    log.warn('Disk "C" is\nfull', { bytes: 0, of: ['a', 'b'], none: undefined })
    expect(read()).toEqual([
      { time: '2026-01-01T00:00:00.000Z', level: 'warn', msg: 'Disk "C" is\nfull', bytes: 0, of: ['a', 'b'] },
    ])
  })

  it('gathers lines and writes them together after 50 ms', async () => {
    const { log, writes, clock } = open()
    log.info('one')
    log.line('two', '"status":200')
    await clock.advance(49)
    expect(writes).toEqual([])
    await clock.advance(1)
    expect(writes).toHaveLength(1)
    log.info('three')
    await clock.advance(50)
    expect(writes).toHaveLength(2)
  })

  it('writes before that when 64 KB are waiting', () => {
    const { log, writes } = open()
    for (let i = 0; i < 100; i++) log.line('x', `"text":"${'y'.repeat(1000)}"`)
    expect(writes).toHaveLength(1)
  })

  it('writes an error at once, after the lines before it', () => {
    const { log, writes } = open()
    log.info('before')
    log.error('broken')
    expect(writes.join('').match(/"msg":"\w+"/g)).toEqual(['"msg":"before"', '"msg":"broken"'])
  })

  it('waits for nothing where it was told so', () => {
    const { log, writes } = open({ waitMs: 0 })
    log.info('one')
    expect(writes).toHaveLength(1)
  })

  it('leaves out what is below its level', () => {
    const { log, read } = open({ level: 'warn' })
    log.debug('no')
    log.info('no')
    log.line('no', '"a":1')
    log.warn('yes')
    expect(read().map(line => line.msg)).toEqual(['yes'])
  })

  it('takes the fields of a request line as they are', async () => {
    const { log, read, clock } = open()
    log.line('Cache HIT', '"status":200,"path":"a\\"b"')
    await clock.advance(1)
    log.line('Cache HIT', '')
    expect(read()).toEqual([
      { time: '2026-01-01T00:00:00.000Z', level: 'info', msg: 'Cache HIT', status: 200, path: 'a"b' },
      { time: '2026-01-01T00:00:00.001Z', level: 'info', msg: 'Cache HIT' },
    ])
  })

  it('tells of a problem its code, its detail and every cause', () => {
    const { log, read } = open()
    const refused = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' })
    const error = new Problem(
      'upstream-unreachable',
      'Cannot reach npm',
      { host: 'registry.yarnpkg.com' },
      {
        cause: new Error('fetch failed', { cause: refused }),
      },
    )
    log.error('Fetch failed', { error })
    expect(read()[0]?.error).toEqual({
      code: 'upstream-unreachable',
      message: 'Cannot reach npm',
      detail: { host: 'registry.yarnpkg.com' },
      causes: ['fetch failed', 'ECONNREFUSED: connect refused'],
    })
  })

  it('tells where a mistake of its own program was made', () => {
    const { log, read } = open()
    log.error('Fetch failed', { error: new TypeError('x is not a function') })
    expect(read()[0]?.error).toMatchObject({
      code: 'TypeError',
      stack: expect.stringContaining('json-log.test.ts'),
    })
  })

  it('ends a chain of causes that is a circle', () => {
    const { log, read } = open()
    const error = new Error('a')
    error.cause = new Error('b', { cause: error })
    log.error('Odd', { error })
    expect(read()[0]?.error).toMatchObject({ causes: expect.objectContaining({ length: 8 }) })
  })

  it.each([
    ['a long text', { text: 'ä'.repeat(100_000) }],
    [
      'many fields',
      Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`field${i}`, '\u0000'.repeat(50)])),
    ],
    ['a large array', { list: Array.from({ length: 100_000 }, (_, i) => i), after: 1 }],
  ])('keeps a line within 16 KB: %s', (_, fields) => {
    const { log, writes, read } = open()
    log.error('m'.repeat(20_000), fields)
    expect(Buffer.byteLength(writes.join(''))).toBeLessThanOrEqual(16 * 1024)
    expect(read()).toHaveLength(1)
  })

  it('says when fields were left out', () => {
    const { log, read } = open()
    log.info('x', { first: 1, large: Array.from({ length: 100_000 }, () => 1), last: 2 })
    expect(read()[0]).toMatchObject({ first: 1, truncated: true })
  })

  it('keeps a request line within 16 KB, and JSON', () => {
    const { log, writes, read } = open()
    log.line('Cache MISS', `"path":"${'日'.repeat(20_000)}"`)
    expect(read()).toHaveLength(1)
    expect(Buffer.byteLength(writes.join(''))).toBeLessThanOrEqual(16 * 1024)
  })

  it.each([
    ['a circle', circle()],
    ['a bigint', { n: 12n }],
    [
      'a getter that throws',
      {
        get x(): never {
          throw new Error('no')
        },
      },
    ],
    [
      'a toJSON that throws',
      {
        x: {
          toJSON() {
            throw new Error('no')
          },
        },
      },
    ],
    ['half a character', { x: '\ud800' }],
  ])('does not throw for %s', (_, fields) => {
    const { log, read } = open()
    log.info('x', fields)
    expect(read()).toHaveLength(1)
  })

  it('does not throw when it cannot write, and goes on', () => {
    let isBroken = true
    const texts: string[] = []
    const log = createJsonLog({
      level: 'info',
      clock: new FakeClock(),
      write: text => {
        if (isBroken) throw new Error('EPIPE')
        texts.push(text)
      },
    })
    log.error('lost')
    isBroken = false
    log.error('kept')
    expect(texts.map(text => JSON.parse(text).msg)).toEqual(['kept'])
  })
})

function open(options: { level?: LogLevel; waitMs?: number } = {}) {
  const clock = new FakeClock()
  const writes: string[] = []
  const log = createJsonLog({ write: text => writes.push(text), level: 'info', clock, ...options })
  function read(): Record<string, unknown>[] {
    log.flush()
    return writes
      .join('')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
  }
  return { log, clock, writes, read }
}

function circle() {
  const value: Record<string, unknown> = {}
  value.self = value
  return value
}
