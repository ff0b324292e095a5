// The two that are compared, with the same files, the same origin and a log line for each request:
// artifactapi on Bun (one process), and nginx with proxy_cache (one worker).

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, freePort, launch, loadCore, rssMegabytes, serverCore } from './processes.mjs'

const startLimitMs = 15_000

export async function startOrigin(folder, node, script) {
  const log = join(folder, 'origin.log')
  const process = launch(loadCore, [node, script], { env: globalThis.process.env, cwd: folder, log })
  let port = ''
  while (!port && process.isRunning()) {
    await sleep(20)
    port = readFileSync(log, 'utf8').split('\n', 1)[0].trim()
  }
  if (!port) throw new Error(`Cannot start the origin: ${readFileSync(log, 'utf8')}`)
  const url = `http://127.0.0.1:${port}`
  return {
    url: path => `${url}${path}`,
    base: url,
    async gets(path) {
      return (await (await fetch(`${url}/counts`)).json())[path] ?? 0
    },
    stop: process.stop,
  }
}

export async function startArtifactapi(folder, command, originBase, extra = {}) {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'remotes.yaml'),
    `remotes:\n  bench:\n    base_url: ${originBase}\n    package: generic\n    immutable_ttl: 0\n`,
  )
  const { PATH, HOME } = process.env
  const env = {
    PATH,
    HOME,
    LISTEN_ADDR: `127.0.0.1:${port}`,
    ADMIN_TOKEN: 'bench',
    DATA_DIR: join(folder, 'data'),
    ...extra,
  }
  return started(
    'artifactapi',
    port,
    '/api/v1/remote/bench',
    launch(serverCore, command, { env, cwd: folder, log: join(folder, 'log') }),
    folder,
  )
}

export async function startNginx(folder, program, originBase, log) {
  const port = await freePort()
  mkdirSync(join(folder, 'temp'), { recursive: true })
  writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(folder, port, originBase, log))
  const command = [program, '-p', folder, '-c', join(folder, 'nginx.conf')]
  return started(
    'nginx',
    port,
    '',
    launch(serverCore, command, { env: process.env, cwd: folder, log: join(folder, 'log') }),
    folder,
  )
}

async function started(name, port, prefix, process, folder) {
  const deadline = performance.now() + startLimitMs
  while (!(await isListening(port))) {
    if (!process.isRunning() || performance.now() > deadline) {
      throw new Error(`Cannot start ${name}: ${readFileSync(join(folder, 'log'), 'utf8')}`)
    }
    await sleep(5)
  }
  return {
    name,
    url: path => `http://127.0.0.1:${port}${prefix}${path}`,
    cpuSeconds: () => cpuSeconds(process.pid),
    rssMegabytes: () => rssMegabytes(process.pid),
    stop: process.stop,
  }
}

function isListening(port) {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/**
 * The quickest nginx we know of. tcp_nopush makes small answers 10 % quicker, and has answers of 100 KB wait for
 * a delayed ACK, 40 ms each, so those go without. The log is written in batches, as artifactapi writes its own;
 * `log` = `line` writes each line by itself, which is nginx's default and costs it 10 to 20 %.
 */
function nginxConfiguration(folder, port, originBase, log) {
  // Started as root, nginx would give its worker a user who cannot enter this folder.
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  const proxy = `proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache bench;
      proxy_cache_valid 200 1d;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 1h;
      proxy_max_temp_file_size 4096m;
      add_header X-Cache $upstream_cache_status;`
  return `daemon off;
${user}worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  default_type application/octet-stream;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 100000000;
  access_log ${folder}/access.log combined${log === 'line' ? '' : ' buffer=64k flush=1s'};
  client_body_temp_path ${folder}/temp/body;
  proxy_temp_path ${folder}/temp/proxy;
  fastcgi_temp_path ${folder}/temp/fastcgi;
  uwsgi_temp_path ${folder}/temp/uwsgi;
  scgi_temp_path ${folder}/temp/scgi;
  open_file_cache max=10000 inactive=60s;
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=bench:20m max_size=50g inactive=1d use_temp_path=off;
  upstream origin { server ${new URL(originBase).host}; keepalive 16; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      tcp_nopush on;
      ${proxy}
    }
    location ~ "^/[0-9]+/[0-9]{6,}/" {
      tcp_nopush off;
      ${proxy}
    }
  }
}
`
}
