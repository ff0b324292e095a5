// Upstash's HTTP protocol in front of a real Redis: one command, or a list of them, as JSON in a POST; the answers as JSON,
// their texts in base64 where the client asks for that. What the client package sends, and no more.
// https://upstash.com/docs/redis/features/restapi

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'

export interface UpstashBridge {
  readonly url: string
  readonly token: string
  /** The variables that choose it. */
  environment(): Record<string, string>
  /** Names of the commands that came, in lower case. */
  readonly commands: string[]
  close(): Promise<void>
}

type Reply = { readonly result: unknown } | { readonly error: string }

export async function startUpstash(redisPort: number, port = 0): Promise<UpstashBridge> {
  const token = 'bridge-token'
  const redis = new Redis({ port: redisPort, host: '127.0.0.1', maxRetriesPerRequest: 0 })
  redis.on('error', () => {})
  const commands: string[] = []

  async function run(
    [name = '', ...values]: readonly (string | number)[],
    isEncoded: boolean,
  ): Promise<Reply> {
    commands.push(String(name).toLowerCase())
    try {
      return { result: printReply(await redis.callBuffer(String(name), ...values), isEncoded, true) }
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) }
    }
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.headers.authorization !== `Bearer ${token}`) return answer(401, { error: 'Unauthorized' })
    const isEncoded = request.headers['upstash-encoding'] === 'base64'
    const body = JSON.parse(Buffer.concat(chunks).toString()) // what the client package sent
    if (request.url === '/pipeline') {
      const replies: Reply[] = []
      for (const command of body) replies.push(await run(command, isEncoded))
      return answer(200, replies)
    }
    const reply = await run(body, isEncoded)
    return answer('error' in reply ? 400 : 200, reply)
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on a port
  return {
    url,
    token,
    environment: () => ({ REDIS_URL: url, REDIS_TOKEN: token }),
    commands,
    async close() {
      redis.disconnect()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** All texts are encoded but a plain OK. */
function printReply(reply: unknown, isEncoded: boolean, isTop = false): unknown {
  if (Array.isArray(reply)) return reply.map(each => printReply(each, isEncoded))
  if (!Buffer.isBuffer(reply)) return reply
  const text = reply.toString()
  return isEncoded && !(isTop && text === 'OK') ? reply.toString('base64') : text
}
