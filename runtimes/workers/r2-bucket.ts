// The part of an R2 binding that blobs need, in words every runtime's types understand: `env.BLOBS` fits, and so
// does a bucket that a test opens from outside a Worker.

export interface R2BucketLike {
  head(key: string): Promise<R2ObjectLike | null>
  get(key: string, options?: { range?: { offset: number; length: number } }): Promise<R2BodyLike | null>
  /** Null when `onlyIf` does not hold. */
  put(key: string, value: Uint8Array<ArrayBuffer> | string, options?: R2PutLike): Promise<R2ObjectLike | null>
  createMultipartUpload(key: string): Promise<R2UploadLike>
  delete(keys: string[]): Promise<void>
  list(options: { prefix: string; cursor?: string; startAfter?: string }): Promise<R2PageLike>
}

export interface R2PutLike {
  /** Lower case hexadecimal; R2 refuses other bytes. */
  readonly sha256?: string
  readonly onlyIf?: { readonly etagMatches: string }
}

export interface R2ObjectLike {
  readonly key: string
  readonly size: number
  readonly etag: string
  readonly uploaded: Date
}

export interface R2BodyLike extends R2ObjectLike {
  readonly body: ReadableStream<Uint8Array>
  arrayBuffer(): Promise<ArrayBuffer>
  text(): Promise<string>
}

export interface R2PartLike {
  partNumber: number
  etag: string
}

export interface R2UploadLike {
  /** Numbers start at 1; all parts but the last have one size. */
  uploadPart(partNumber: number, value: ReadableStream | Uint8Array<ArrayBuffer>): Promise<R2PartLike>
  complete(parts: R2PartLike[]): Promise<R2ObjectLike>
  abort(): Promise<void>
}

export interface R2PageLike {
  readonly objects: readonly R2ObjectLike[]
  readonly truncated: boolean
  readonly cursor?: string
}

export async function* listObjects(bucket: R2BucketLike, prefix: string): AsyncGenerator<R2ObjectLike> {
  let cursor: string | undefined
  do {
    const page = await bucket.list({ prefix, cursor })
    yield* page.objects
    cursor = page.truncated ? page.cursor : undefined
  } while (cursor !== undefined)
}
