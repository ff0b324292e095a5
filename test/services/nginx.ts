// nginx in front of several servers, as a balancer would stand there: round robin, no affinity, the next one when one
// does not answer.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../servers.ts'
import { hasTool } from '../tools.ts'

export interface Balancer {
  readonly url: string
  readonly port: number
  stop(): Promise<void>
}

export function hasNginx(): boolean {
  return hasTool('nginx')
}

export async function startBalancer(ports: readonly number[]): Promise<Balancer> {
  const directory = await mkdtemp(join(tmpdir(), 'artifactapi-nginx-'))
  const port = await freePort()
  const servers = ports.map(each => `server 127.0.0.1:${each} max_fails=1 fail_timeout=1s;`).join(' ')
  await writeFile(
    join(directory, 'nginx.conf'),
    `daemon off; pid ${directory}/pid; error_log ${directory}/error.log warn;
worker_processes 1; events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/f;
  uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  upstream replicas { ${servers} keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 120s;
      proxy_next_upstream error timeout http_502 http_503;
      proxy_next_upstream_tries 3;
    }
  }
}
`,
  )
  const child = spawn('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')], { stdio: 'inherit' })
  running.add(child)
  child.on('exit', () => running.delete(child))
  await untilListening(port, child)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    async stop() {
      const ended = new Promise(resolve => child.once('exit', resolve))
      if (child.exitCode === null && child.kill('SIGTERM')) await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 20) {
    if (child.exitCode !== null) throw new Error('nginx ended at once')
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null)
    await answer?.body?.cancel()
    if (answer !== null) return
    await sleep(20)
  }
  throw new Error('nginx does not listen after 10 s')
}

// A test run that is broken off leaves no server behind.
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
