// Figures for operators, as Prometheus means them: counters only grow, gauges are read when asked.

export type Labels = Readonly<Record<string, string>>

export interface Meter {
  /** A counter of this name and these labels, to be kept by the caller and increased. The same one for the same labels. */
  counter(name: MetricName, labels?: Labels): Counter
  /** Adds a measured duration. */
  observe(name: MetricName, seconds: number, labels?: Labels): void
  /** All series, in Prometheus text format. */
  render(): string
}

export interface Counter {
  value: number
}

export type MetricName =
  | 'artifactapi_requests_total'
  | 'artifactapi_origin_bytes_total'
  | 'artifactapi_client_bytes_total'
  | 'artifactapi_origin_requests_total'
  | 'artifactapi_origin_seconds'
  | 'artifactapi_evicted_objects_total'
  | 'artifactapi_evicted_bytes_total'
  | 'artifactapi_collected_blobs_total'
  | 'artifactapi_scrubbed_bytes_total'
  | 'artifactapi_damaged_blobs_total'
