// Figures kept in this process and rendered for Prometheus (text format 0.0.4). Counting is `counter.value += n`
// on a counter found once, so it costs nothing on the hot path.

import type {
  Counter,
  CounterName,
  GaugeName,
  HistogramName,
  Labels,
  Meter,
  MetricName,
} from '../ports/meter.ts'

const HELP: Readonly<Record<MetricName, string>> = {
  artifactapi_breaker_open: '1 while the circuit breaker of an origin is open.',
  artifactapi_caching_suspended: '1 while nothing new is kept because the store is full.',
  artifactapi_client_bytes_total: 'Body bytes sent to clients.',
  artifactapi_collected_blobs_total: 'Unreferenced blobs removed by the collector.',
  artifactapi_damaged_blobs_total: 'Blobs found damaged and dropped.',
  artifactapi_evicted_bytes_total: 'Bytes of objects evicted to stay within a limit.',
  artifactapi_evicted_objects_total: 'Objects evicted to stay within a limit.',
  artifactapi_flights: 'Downloads in flight.',
  artifactapi_hot_bytes: 'Bytes of small bodies held in memory.',
  artifactapi_origin_bytes_total: 'Body bytes received from origins.',
  artifactapi_origin_requests_total: 'Requests sent to origins.',
  artifactapi_origin_seconds: 'Time from a request to an origin until its headers arrived.',
  artifactapi_part_up: '1 while a back end answers, by its part of the service.',
  artifactapi_request_seconds: 'Time from a request until its answer began.',
  artifactapi_requests_total: 'Requests of clients by outcome.',
  artifactapi_scrubbed_bytes_total: 'Bytes read back and compared with their digest.',
  artifactapi_start_time_seconds: 'When this process started, in seconds since the epoch.',
  artifactapi_store_bytes: 'Bytes of all objects kept.',
  artifactapi_store_free_bytes: 'Bytes free where blobs are kept.',
  artifactapi_store_objects: 'Objects kept.',
  artifactapi_up: 'Always 1.',
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const

/** Further label sets of a name share one series, so a mistake with labels cannot eat the memory. */
const SERIES_LIMIT = 10_000
const OVERFLOW = 'overflow="true"'

interface Histogram {
  /** One more than buckets: the last one counts what is beyond all of them. */
  readonly counts: number[]
  sum: number
}

type Family<Series> = Map<MetricName, Map<string, Series>>

export function createMemoryMeter(): Meter {
  const counters: Family<Counter> = new Map()
  const histograms: Family<Histogram> = new Map()
  const gauges: Family<() => number> = new Map()

  function counter(name: CounterName, labels?: Labels) {
    return findSeries(counters, name, labels, () => ({ value: 0 }))
  }

  function observe(name: HistogramName, seconds: number, labels?: Labels) {
    const histogram = findSeries(histograms, name, labels, () => ({
      counts: new Array<number>(BUCKETS.length + 1).fill(0),
      sum: 0,
    }))
    const bucket = BUCKETS.findIndex(limit => seconds <= limit)
    const index = bucket === -1 ? BUCKETS.length : bucket
    histogram.counts[index] = (histogram.counts[index] ?? 0) + 1
    histogram.sum += seconds
  }

  function gauge(name: GaugeName, read: () => number, labels?: Labels) {
    const key = printLabels(labels)
    const series = familyOf(gauges, name)
    series.set(key, read)
    return () => {
      if (series.get(key) === read) series.delete(key)
    }
  }

  function render() {
    const families = [
      ...[...counters].map(([name, series]) => printFamily(name, 'counter', series, printCounter)),
      ...[...histograms].map(([name, series]) => printFamily(name, 'histogram', series, printHistogram)),
      ...[...gauges].map(([name, series]) => printFamily(name, 'gauge', series, printGauge)),
    ]
    return families.sort().join('')
  }

  return { counter, observe, gauge, render }
}

function familyOf<Series>(families: Family<Series>, name: MetricName): Map<string, Series> {
  let family = families.get(name)
  if (family === undefined) families.set(name, (family = new Map()))
  return family
}

function findSeries<Series>(
  families: Family<Series>,
  name: MetricName,
  labels: Labels | undefined,
  create: () => Series,
): Series {
  const family = familyOf(families, name)
  let key = printLabels(labels)
  if (family.size >= SERIES_LIMIT && !family.has(key)) key = OVERFLOW
  let series = family.get(key)
  if (series === undefined) family.set(key, (series = create()))
  return series
}

/** `a="1",b="x"`, ordered by name, so that equal labels are one series. */
function printLabels(labels: Labels = {}): string {
  return Object.keys(labels)
    .sort()
    .map(name => `${name}="${escapeLabel(labels[name] ?? '')}"`)
    .join(',')
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function printFamily<Series>(
  name: MetricName,
  type: string,
  series: Map<string, Series>,
  print: (name: string, labels: string, series: Series) => string,
): string {
  const keys = [...series.keys()].sort()
  const lines = keys.map(key => print(name, key, series.get(key) as Series)) // the key comes from this very map
  const text = lines.join('')
  return text === '' ? '' : `# HELP ${name} ${HELP[name]}\n# TYPE ${name} ${type}\n${text}`
}

function printCounter(name: string, labels: string, counter: Counter): string {
  return printSample(name, labels, counter.value)
}

function printGauge(name: string, labels: string, read: () => number): string {
  try {
    return printSample(name, labels, read())
  } catch {
    return ''
  }
}

function printHistogram(name: string, labels: string, histogram: Histogram): string {
  const before = labels === '' ? '' : `${labels},`
  let total = 0
  let text = ''
  for (const [index, count] of histogram.counts.entries()) {
    total += count
    text += printSample(`${name}_bucket`, `${before}le="${BUCKETS[index] ?? '+Inf'}"`, total)
  }
  return (
    text + printSample(`${name}_sum`, labels, histogram.sum) + printSample(`${name}_count`, labels, total)
  )
}

function printSample(name: string, labels: string, value: number): string {
  const number = Number.isFinite(value)
    ? String(value)
    : Number.isNaN(value)
      ? 'NaN'
      : value > 0
        ? '+Inf'
        : '-Inf'
  return labels === '' ? `${name} ${number}\n` : `${name}{${labels}} ${number}\n`
}
