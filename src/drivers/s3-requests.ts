// Requests to an S3 bucket, signed.

export interface S3Options {
  /** Scheme, host and port; without a path. */
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly bucket: string
  readonly region: string
  /** True: the bucket is the first segment of the path; false: the first label of the host name. */
  readonly isPathStyle: boolean
  /** PEM text of an authority trusted besides the usual ones. */
  readonly ca?: string
}
