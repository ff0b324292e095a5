import { describe, expect, it } from 'vitest'
import {
  type Frame,
  FrameReader,
  frameHead,
  hearProblem,
  jsonFrame,
  readJson,
  sayProblem,
} from '../../src/model/frames.ts'
import { Problem } from '../../src/model/problem.ts'

const row = bytesOf([
  jsonFrame('landing', { kind: 'body', head: { etag: '"ä"' } }),
  frameHead('pulse', 0),
  frameHead('body', 5),
  new TextEncoder().encode('hello'),
  jsonFrame('done', null),
])

describe('frames', () => {
  it.each([1, 2, 3, 7, 1000])('are read from pieces of %d bytes', pieceBytes => {
    const reader = new FrameReader()
    const frames: Frame[] = []
    for (let at = 0; at < row.byteLength; at += pieceBytes) {
      frames.push(...reader.take(row.subarray(at, at + pieceBytes)))
    }
    const bodies = frames.filter(({ kind }) => kind === 'body')
    expect(new TextDecoder().decode(bytesOf(bodies.map(({ content }) => content)))).toBe('hello')
    const others = frames.filter(({ kind }) => kind !== 'body')
    expect(others.map(({ kind }) => kind)).toEqual(['landing', 'pulse', 'done'])
    expect(others.flatMap(frame => (frame.content.byteLength > 0 ? [readJson(frame)] : []))).toEqual([
      { kind: 'body', head: { etag: '"ä"' } },
      null,
    ])
  })

  it('give a body on before the whole frame is there', () => {
    const reader = new FrameReader()
    expect(reader.take(bytesOf([frameHead('body', 1_000_000), new Uint8Array(10)]))).toMatchObject([
      { kind: 'body', content: { byteLength: 10 } },
    ])
  })

  it('are refused when they make no sense', () => {
    expect(() => new FrameReader().take(new TextEncoder().encode('HTTP/1.1'))).toThrow(/makes no sense/)
  })

  it('carry a Problem with its code and detail', () => {
    const said = JSON.parse(JSON.stringify(sayProblem(new Problem('upstream-busy', 'Cannot', { host: 'x' }))))
    const heard = hearProblem(said)
    expect(heard).toBeInstanceOf(Problem)
    expect(heard).toMatchObject({ code: 'upstream-busy', message: 'Cannot', detail: { host: 'x' } })
  })
})

function bytesOf(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap(part => [...part]))
}
