#!/usr/bin/env bash
# A throwaway PostgreSQL server for tests, benchmarks and demos. Nothing of it survives `stop`.
#
#   postgres.sh start DIR [PORT]    makes and starts it, prints its URL (user postgres, no password)
#   postgres.sh crash DIR           immediate stop, as if its process were killed: recovery at the next start
#   postgres.sh restart DIR         starts it again with its data
#   postgres.sh stop DIR            ends it and removes DIR
#
# As root it runs as the user `postgres`, which must be able to reach DIR. PG_BIN says where the programs are.
set -euo pipefail

usage="Usage: postgres.sh start DIR [PORT] | crash DIR | restart DIR | stop DIR"
command=${1:?$usage}
dir=${2:?$usage}
bin=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)}
if [ ! -x "$bin/postgres" ]; then
  echo "There is no PostgreSQL here: apt-get install postgresql, or set PG_BIN" >&2
  exit 3
fi

as_owner() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

pg_ctl() {
  (cd "$dir" && as_owner "$bin/pg_ctl" -D "$dir/data" -w -t 30 -l "$dir/log" "$@" >/dev/null)
}

case $command in
start)
  port=${3:-$((20000 + RANDOM % 20000))}
  mkdir -p "$dir"
  [ "$(id -u)" != 0 ] || chown postgres "$dir"
  chmod 700 "$dir"
  (cd "$dir" && as_owner "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C -N >/dev/null)
  # Unsafe against power failures only, which are part of no test, and much faster. What was committed outlives `crash`.
  as_owner tee -a "$dir/data/postgresql.conf" >/dev/null <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
fsync = off
full_page_writes = off
max_connections = 100
shared_buffers = 64MB
timezone = 'UTC'
log_timezone = 'UTC'
${POSTGRES_SETTINGS:-}
SETTINGS
  pg_ctl start
  echo "postgres://postgres@127.0.0.1:$port/postgres"
  ;;
crash) pg_ctl -m immediate stop ;;
restart) pg_ctl start ;;
stop)
  pg_ctl -m immediate stop 2>/dev/null || true
  rm -rf "$dir"
  ;;
*)
  echo "$usage" >&2
  exit 2
  ;;
esac
