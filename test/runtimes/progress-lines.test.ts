// What a long command says of how far it is.

import { describe, expect, it } from 'vitest'
import { createProgressLines, plural, printBytes } from '../../runtimes/shared/progress-lines.ts'

const GB = 1_000_000_000

describe('the lines of progress', () => {
  it('tell count, bytes, rate and what is left', () => {
    const lines: string[] = []
    let now = 0
    const report = createProgressLines(
      line => lines.push(line),
      () => now,
    )
    report({ pass: 1, objects: 1, bytes: 0, allObjects: 10_000, allBytes: 4 * GB, copiedBytes: 0 })
    now = 10_000
    report({ pass: 1, objects: 1200, bytes: GB, allObjects: 10_000, allBytes: 4 * GB, copiedBytes: GB / 2 })
    now = 20_000
    report({ pass: 1, objects: 5000, bytes: 2 * GB, allObjects: 10_000, allBytes: 4 * GB, copiedBytes: GB })
    now = 300_000
    report({ pass: 2, objects: 3, bytes: 5, allObjects: 10_000, allBytes: 4 * GB, copiedBytes: GB })
    expect(lines).toEqual([
      '1,200 of 10,000 objects, 1.0 GB of 4.0 GB, 50 MB/s, 30 s left',
      '5,000 of 10,000 objects, 2.0 GB of 4.0 GB, 50 MB/s, 20 s left',
      'again, for what changed: 3 of 10,000 objects',
    ])
  })

  it('come less and less often', () => {
    const at: number[] = []
    let now = 0
    const report = createProgressLines(
      () => at.push(now / 1000),
      () => now,
    )
    for (; now < 150_000; now += 500)
      report({ pass: 1, objects: 1, bytes: 1, allObjects: 2, allBytes: 2, copiedBytes: 1 })
    expect(at).toEqual([1, 3, 7, 15, 31, 61, 91, 121])
  })

  it('say nothing that would divide by nothing', () => {
    const lines: string[] = []
    let now = 0
    const report = createProgressLines(
      line => lines.push(line),
      () => now,
    )
    now = 1000
    report({ pass: 1, objects: 1, bytes: 0, allObjects: 1, allBytes: 0, copiedBytes: 0 })
    now = 5000
    report({ pass: 1, objects: 1, bytes: 0, allObjects: 1, allBytes: 0, copiedBytes: 0 })
    expect(lines).toEqual(['1 of 1 objects, 0 B of 0 B, 0 B/s', '1 of 1 objects, 0 B of 0 B, 0 B/s'])
  })

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_949, '9.9 kB'],
    [9_950, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [20_300_000_000, '20 GB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(printBytes(bytes)).toBe(text)
  })

  it('know one and many', () => {
    expect([plural(1, 'blob'), plural(0, 'blob'), plural(1_234_567, 'repository', 'repositories')]).toEqual([
      '1 blob',
      '0 blobs',
      '1,234,567 repositories',
    ])
  })
})
