// Figures for operators, as Prometheus means them: counters only grow, gauges are read when asked.
// Label values come from the configuration and from closed sets, never from a request.

export type Labels = Readonly<Record<string, string>>

export interface Meter {
  /** A counter of this name and these labels, to be kept by the caller and increased. The same one for the same labels. */
  counter(name: CounterName, labels?: Labels): Counter
  /** Adds a measured duration. */
  observe(name: HistogramName, seconds: number, labels?: Labels): void
  /**
   * Has `read` called whenever the series are rendered; a later reader of the same name and labels takes its place.
   * A read that throws leaves its series out. Returns the way to take this reader away again.
   */
  gauge(name: GaugeName, read: () => number, labels?: Labels): () => void
  /** All series, in Prometheus text format 0.0.4, in the same order every time. */
  render(): string
}

export interface Counter {
  value: number
}

export type CounterName =
  | 'artifactapi_requests_total'
  | 'artifactapi_origin_bytes_total'
  | 'artifactapi_client_bytes_total'
  | 'artifactapi_origin_requests_total'
  | 'artifactapi_evicted_objects_total'
  | 'artifactapi_evicted_bytes_total'
  | 'artifactapi_collected_blobs_total'
  | 'artifactapi_scrubbed_bytes_total'
  | 'artifactapi_damaged_blobs_total'

export type HistogramName = 'artifactapi_origin_seconds' | 'artifactapi_request_seconds'

export type GaugeName =
  | 'artifactapi_up'
  | 'artifactapi_start_time_seconds'
  | 'artifactapi_breaker_open'
  | 'artifactapi_caching_suspended'
  | 'artifactapi_flights'
  | 'artifactapi_store_bytes'
  | 'artifactapi_store_objects'
  | 'artifactapi_store_free_bytes'
  | 'artifactapi_hot_bytes'
  | 'artifactapi_part_up'

export type MetricName = CounterName | HistogramName | GaugeName
