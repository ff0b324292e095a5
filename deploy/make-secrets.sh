#!/bin/sh
# Makes the secrets of docker-compose.yml, in the folder secrets/ beside this file or the one given. What is there
# stays as it is. The folder is yours alone; its files can be read by the containers' users, to whom they are mounted.
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
cd "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep FILE TEXT
keep() {
  [ -s "$1" ] && return
  printf '%s\n' "$2" >"$1.new"
  chmod 0444 "$1.new"
  mv "$1.new" "$1"
}

keep admin_token "$(random)"
keep db_password "$(random)"
keep minio_access_key artifactapi
keep minio_secret_key "$(random)"
# One password, as Redis reads it and as its clients do.
[ -s redis_conf ] || rm -f redis_url
keep redis_conf "requirepass $(random)"
keep redis_url "redis://:$(sed -n 's/^requirepass //p' redis_conf)@redis:6379"
