// The control work of an S3 bucket, by the AWS SDK, which is loaded when it is first needed: the bucket itself, lists,
// multipart uploads, copies. No body of a blob passes here. The SDK speaks through the link that bodies take too, so
// there is one trust and one way; its own retries, checksums and settings from the environment are switched off.

import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import { s3Problem, statusOf, toS3Problem, withRetries } from './s3-problems.ts'
import { placeOf, type S3Options } from './s3-requests.ts'
import { createSdkHandler } from './s3-sdk-handler.ts'
import type { ServiceLink } from './service-link.ts'

export interface S3Control {
  /** Makes the bucket when it is absent. Throws when it cannot be used. */
  checkBucket(): Promise<void>
  list(prefix: string, cursor?: string): Promise<S3Page>
  createUpload(key: string, mark?: string): Promise<string>
  completeUpload(key: string, uploadId: string, parts: readonly S3Part[]): Promise<void>
  /** Aborting one that is not there is no error. */
  abortUpload(key: string, uploadId: string): Promise<void>
  /** All unfinished ones. */
  uploads(prefix: string): Promise<readonly S3Upload[]>
  /** When something was last written to an unfinished one; null when nothing was. */
  lastPartAt(upload: S3Upload): Promise<number | null>
  /** Of at most 5 GiB. The mark replaces the one of the source. */
  copy(from: string, to: string, mark: string): Promise<void>
  copyPart(from: string, range: S3CopyRange, to: S3UploadPlace, number: number): Promise<S3Part>
}

export interface S3Part {
  readonly number: number
  readonly tag: string
}

/** Times are epoch ms by the server's clock. */
export interface S3Page {
  readonly objects: readonly S3Listed[]
  readonly cursor: string | null
}

export interface S3Listed {
  readonly key: string
  readonly size: number
  readonly modifiedAt: number
}

export interface S3UploadPlace {
  readonly key: string
  readonly uploadId: string
}

export interface S3Upload extends S3UploadPlace {
  readonly startedAt: number
}

/** Inclusive. */
export interface S3CopyRange {
  readonly start: number
  readonly end: number
}

export interface S3ControlParts {
  readonly options: S3Options
  readonly link: ServiceLink
  readonly clock: Clock
}

type Sdk = typeof import('@aws-sdk/client-s3')

/** Metadata of every object of ours: `x-amz-meta-committed-at`. */
const MARK = 'committed-at'
/** Servers may copy and assemble before they answer. */
const COPY = { requestTimeout: 10 * 60_000 }

export function createS3Control({ options, link, clock }: S3ControlParts): S3Control {
  const Bucket = options.bucket
  let opening: Promise<{ sdk: Sdk; client: S3Client }> | null = null

  async function open(): Promise<{ sdk: Sdk; client: S3Client }> {
    const sdk = await import('@aws-sdk/client-s3')
    return { sdk, client: new sdk.S3Client(settingsFor(options, link)) }
  }

  async function told<T>(what: string, work: (client: S3Client, sdk: Sdk) => Promise<T>): Promise<T> {
    const action = `${what} ${placeOf(options)}`
    const { client, sdk } = await (opening ??= open())
    return withRetries(clock, async () => {
      try {
        return await work(client, sdk)
      } catch (error) {
        throw answered(error, action) ?? toS3Problem(error, action)
      }
    })
  }

  async function look(client: S3Client, sdk: Sdk): Promise<void> {
    await client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix: 'blobs/', MaxKeys: 1 }))
  }

  return {
    async checkBucket() {
      try {
        await told('Cannot use', look)
      } catch (error) {
        if (statusOf(error) !== 404) throw error
        await told('Cannot make', async (client, sdk) => {
          await client.send(new sdk.CreateBucketCommand({ Bucket })).catch(failure => {
            // Another replica was faster.
            if (nameOf(failure) !== 'BucketAlreadyOwnedByYou') throw failure
          })
        })
        await told('Cannot use', look)
      }
    },
    list: (prefix, cursor) =>
      told(`Cannot list ${prefix} in`, async (client, sdk) => {
        const page = await client.send(
          new sdk.ListObjectsV2Command({ Bucket, Prefix: prefix, ContinuationToken: cursor }),
        )
        const objects = (page.Contents ?? []).map(({ Key, Size, LastModified }) => ({
          key: Key ?? '',
          size: Size ?? 0,
          modifiedAt: LastModified?.getTime() ?? 0,
        }))
        return { objects, cursor: page.IsTruncated ? (page.NextContinuationToken ?? null) : null }
      }),
    createUpload: (key, mark) =>
      told(`Cannot begin ${key} in`, async (client, sdk) => {
        const Metadata = mark === undefined ? undefined : { [MARK]: mark }
        const ContentType = 'application/octet-stream'
        const made = await client.send(
          new sdk.CreateMultipartUploadCommand({ Bucket, Key: key, ContentType, Metadata }),
        )
        return made.UploadId ?? ''
      }),
    completeUpload: (key, UploadId, parts) =>
      told(`Cannot complete ${key} in`, async (client, sdk) => {
        const Parts = parts.map(({ number, tag }) => ({ PartNumber: number, ETag: tag }))
        await client.send(
          new sdk.CompleteMultipartUploadCommand({ Bucket, Key: key, UploadId, MultipartUpload: { Parts } }),
          COPY,
        )
      }),
    abortUpload: (key, UploadId) =>
      told(`Cannot abort ${key} in`, async (client, sdk) => {
        const command = new sdk.AbortMultipartUploadCommand({ Bucket, Key: key, UploadId })
        await client.send(command).catch(error => {
          if (nameOf(error) !== 'NoSuchUpload') throw error
        })
      }),
    uploads: prefix =>
      told(`Cannot list uploads to ${prefix} in`, async (client, sdk) => {
        const found: S3Upload[] = []
        for (let after = {}, isMore = true; isMore; ) {
          const command = new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: prefix, ...after })
          const page = await client.send(command)
          for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? [])
            found.push({ key: Key, uploadId: UploadId, startedAt: Initiated?.getTime() ?? 0 })
          after = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
          isMore = page.IsTruncated === true && page.NextKeyMarker !== undefined
        }
        return found
      }),
    lastPartAt: ({ key, uploadId }) =>
      told(`Cannot look at upload ${key} in`, async (client, sdk) => {
        let last: number | null = null
        // Not the SDK's own pages: Ceph names a next one after the last one too.
        for (let after: string | undefined, isMore = true; isMore; ) {
          const page = await client.send(
            new sdk.ListPartsCommand({ Bucket, Key: key, UploadId: uploadId, PartNumberMarker: after }),
          )
          for (const { LastModified } of page.Parts ?? [])
            last = Math.max(last ?? 0, LastModified?.getTime() ?? 0)
          after = page.NextPartNumberMarker
          isMore = page.IsTruncated === true && after !== undefined
        }
        return last
      }),
    copy: (from, to, mark) =>
      told(`Cannot copy ${from} to ${to} in`, async (client, sdk) => {
        const command = new sdk.CopyObjectCommand({
          Bucket,
          Key: to,
          CopySource: `${Bucket}/${from}`,
          MetadataDirective: 'REPLACE',
          ContentType: 'application/octet-stream',
          Metadata: { [MARK]: mark },
        })
        await client.send(command, COPY)
      }),
    copyPart: (from, { start, end }, { key, uploadId }, number) =>
      told(`Cannot copy ${from} to ${key} in`, async (client, sdk) => {
        const command = new sdk.UploadPartCopyCommand({
          Bucket,
          Key: key,
          UploadId: uploadId,
          PartNumber: number,
          CopySource: `${Bucket}/${from}`,
          CopySourceRange: `bytes=${start}-${end}`,
        })
        const { CopyPartResult } = await client.send(command, COPY)
        return { number, tag: CopyPartResult?.ETag ?? '' }
      }),
  }
}

/** Nothing is left to the environment or to the files of other programs. */
function settingsFor(options: S3Options, link: ServiceLink): S3ClientConfig {
  return {
    endpoint: options.endpoint,
    region: options.region,
    forcePathStyle: options.isPathStyle,
    credentials: {
      accessKeyId: options.accessKey,
      secretAccessKey: options.secretKey,
      sessionToken: options.sessionToken,
    },
    requestHandler: createSdkHandler(link),
    // Older servers know no other checksums than the ones of bodies' signatures.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    useArnRegion: false,
    disableS3ExpressSessionAuth: true,
    authSchemePreference: ['aws.auth#sigv4'],
    sigv4aSigningRegionSet: [options.region],
    userAgentAppId: async () => undefined,
  }
}

/** What the server answered; null: it did not. */
function answered(error: unknown, action: string): Problem | null {
  const metadata = error instanceof Error && '$metadata' in error ? error.$metadata : null
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? metadata.httpStatusCode
      : null
  if (!(error instanceof Error) || error instanceof Problem || typeof status !== 'number') return null
  return s3Problem(action, {
    status,
    code: error.name,
    message: error.message === 'UnknownError' ? '' : error.message,
  })
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : ''
}
