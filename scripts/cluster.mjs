// Three replicas over Postgres, Redis and Ceph RGW behind nginx, all on this machine and all throwaway: to try things
// out, and to break them. `npm run cluster -- [remotes.yaml]`; Ctrl-C ends it and leaves nothing.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import { STARTER_SET } from '../runtimes/shared/starter-set.ts'
import { ADMIN_TOKEN } from '../test/app-server.ts'
import { hasCluster, startCluster } from '../test/cluster.ts'

async function main([file]) {
  if (!hasCluster()) {
    throw new Error(
      'Cannot start a cluster: it needs Debian 12 with postgresql, redis-server and nginx-light installed (apt-get install)',
    )
  }
  const stopped = new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve)
  })
  console.log('Starting Postgres, Redis, Ceph RGW, three replicas and nginx …')
  const cluster = await startCluster({ yaml: file === undefined ? STARTER_SET : readFileSync(file, 'utf8') })
  const { balancer, replicas, stores } = cluster
  console.log(`
balancer     ${balancer.url}
replicas     ${replicas.map(({ url, pid }) => `${url} (pid ${pid()})`).join('\n             ')}
admin token  ${ADMIN_TOKEN}
Postgres     127.0.0.1:${stores.postgres.port}    Redis 127.0.0.1:${stores.redis.port}    S3 127.0.0.1:${stores.s3.port}

  curl ${balancer.url}/ready
  kill -9 ${replicas[0]?.pid()}      the others go on
Ctrl-C ends it.`)
  await stopped
  console.log('Ending …')
  await cluster.stop()
}

main(process.argv.slice(2)).catch(error => {
  console.error(error.message)
  process.exit(1)
})
