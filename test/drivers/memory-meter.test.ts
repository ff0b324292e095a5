import { describe, expect, it } from 'vitest'
import { createMemoryMeter } from '../../src/drivers/memory-meter.ts'

describe('memory meter', () => {
  it('renders counters with their labels, in the same order every time', () => {
    const meter = createMemoryMeter()
    meter.counter('artifactapi_requests_total', { repo: 'npm', outcome: 'miss' }).value += 2
    meter.counter('artifactapi_requests_total', { outcome: 'hit', repo: 'npm' }).value += 1
    meter.counter('artifactapi_evicted_bytes_total').value += 5
    expect(meter.render()).toBe(
      [
        '# HELP artifactapi_evicted_bytes_total Bytes of objects evicted to stay within a limit.',
        '# TYPE artifactapi_evicted_bytes_total counter',
        'artifactapi_evicted_bytes_total 5',
        '# HELP artifactapi_requests_total Requests of clients by outcome.',
        '# TYPE artifactapi_requests_total counter',
        'artifactapi_requests_total{outcome="hit",repo="npm"} 1',
        'artifactapi_requests_total{outcome="miss",repo="npm"} 2',
        '',
      ].join('\n'),
    )
  })

  it('finds the same counter for the same labels in any order', () => {
    const meter = createMemoryMeter()
    const counter = meter.counter('artifactapi_requests_total', { a: '1', b: '2' })
    expect(meter.counter('artifactapi_requests_total', { b: '2', a: '1' })).toBe(counter)
    expect(meter.counter('artifactapi_requests_total', { b: '2' })).not.toBe(counter)
  })

  it('escapes what labels hold', () => {
    const meter = createMemoryMeter()
    meter.counter('artifactapi_requests_total', { repo: 'a"b\\c\nd' }).value += 1
    expect(meter.render()).toContain('{repo="a\\"b\\\\c\\nd"} 1\n')
  })

  it('renders a histogram whose buckets add up', () => {
    const meter = createMemoryMeter()
    for (const seconds of [0.005, 0.3, 0.4, 61])
      meter.observe('artifactapi_origin_seconds', seconds, { repo: 'npm' })
    const lines = meter.render().split('\n')
    expect(lines).toContain('# TYPE artifactapi_origin_seconds histogram')
    expect(lines).toContain('artifactapi_origin_seconds_bucket{repo="npm",le="0.005"} 1')
    expect(lines).toContain('artifactapi_origin_seconds_bucket{repo="npm",le="0.25"} 1')
    expect(lines).toContain('artifactapi_origin_seconds_bucket{repo="npm",le="0.5"} 3')
    expect(lines).toContain('artifactapi_origin_seconds_bucket{repo="npm",le="60"} 3')
    expect(lines).toContain('artifactapi_origin_seconds_bucket{repo="npm",le="+Inf"} 4')
    expect(lines).toContain('artifactapi_origin_seconds_sum{repo="npm"} 61.705')
    expect(lines).toContain('artifactapi_origin_seconds_count{repo="npm"} 4')
  })

  it('asks gauges when it renders, until they are taken away', () => {
    const meter = createMemoryMeter()
    let bytes = 1
    const remove = meter.gauge('artifactapi_store_bytes', () => bytes)
    expect(meter.render()).toContain('artifactapi_store_bytes 1\n')
    bytes = 2
    expect(meter.render()).toContain('artifactapi_store_bytes 2\n')
    remove()
    expect(meter.render()).toBe('')
  })

  it('takes the later reader of a gauge, which the earlier one cannot take away', () => {
    const meter = createMemoryMeter()
    const removeFirst = meter.gauge('artifactapi_flights', () => 1)
    meter.gauge('artifactapi_flights', () => 2)
    removeFirst()
    expect(meter.render()).toContain('artifactapi_flights 2\n')
  })

  it('renders the others when a gauge cannot be read', () => {
    const meter = createMemoryMeter()
    meter.gauge('artifactapi_store_bytes', () => {
      throw new Error('no')
    })
    meter.gauge('artifactapi_up', () => 1)
    expect(meter.render()).not.toContain('store_bytes')
    expect(meter.render()).toContain('artifactapi_up 1\n')
  })

  it('puts label sets beyond ten thousand into one series', () => {
    const meter = createMemoryMeter()
    for (let i = 0; i < 10_100; i++) meter.counter('artifactapi_requests_total', { repo: `r${i}` }).value += 1
    expect(meter.render()).toContain('artifactapi_requests_total{overflow="true"} 100\n')
  })
})
