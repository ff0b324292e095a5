// What operators send to the management routes, checked whole: every fault with its key, unknown keys with the
// nearest known one.

import { z } from 'zod'
import { faultsOf, isMap, printFault } from './faults.ts'
import { Problem } from './problem.ts'

/** Items of one request. */
export const BATCH_LIMIT = 1000

const text = z.string('text')
const name = z.string('the name of a repository')
const paths = z
  .array(z.string('a path'), 'a list of paths')
  .max(BATCH_LIMIT, `a list of at most ${BATCH_LIMIT} paths`)

const flush = z
  .strictObject({ remote: name, paths, pattern: text, mutable_only: z.boolean('true or false') }, 'an object')
  .partial()
const batch = z.strictObject({ remote: name, paths, pattern: text }, 'an object').partial()
const probe = z.strictObject({ remote: name, path: z.string('a path') }, 'an object')

export type FlushRequest = z.output<typeof flush>
export type BatchRequest = z.output<typeof batch>
export type ProbeRequest = z.output<typeof probe>

export function readFlush(value: unknown): FlushRequest {
  return check('flush', flush, value)
}

export function readBatch(value: unknown): BatchRequest {
  return check('fetch a batch', batch, value)
}

export function readProbe(value: unknown): ProbeRequest {
  return check('probe', probe, value)
}

function check<Schema extends z.ZodObject>(action: string, schema: Schema, value: unknown): z.output<Schema> {
  // Clients that send every key they know send null for what is not set.
  const given = isMap(value)
    ? Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null))
    : value
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const faults = faultsOf(parsed.error, given, [], () => Object.keys(schema.shape), []).map(printFault)
  throw new Problem('unprocessable', `Cannot ${action}: ${faults.join('; ')}`, { faults })
}
