#!/usr/bin/env bash
# A throwaway Redis server for tests, benchmarks and demos. It keeps nothing on the disk.
#
#   redis.sh start DIR PORT    starts it, prints its URL
#   redis.sh stop DIR          ends it and removes DIR
set -euo pipefail

usage="Usage: redis.sh start DIR PORT | stop DIR"
command=${1:?$usage}
dir=${2:?$usage}

case $command in
start)
  port=${3:?$usage}
  mkdir -p "$dir"
  redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" --pidfile "$dir/pid" \
    --logfile "$dir/log" --daemonize yes >/dev/null
  for _ in $(seq 200); do
    if redis-cli -p "$port" ping 2>/dev/null | grep -q PONG; then
      echo "redis://127.0.0.1:$port"
      exit 0
    fi
    sleep 0.02
  done
  echo "Redis does not answer: $(tail -3 "$dir/log")" >&2
  exit 1
  ;;
stop)
  [ ! -s "$dir/pid" ] || kill -9 "$(cat "$dir/pid")" 2>/dev/null || true
  rm -rf "$dir"
  ;;
*)
  echo "$usage" >&2
  exit 2
  ;;
esac
