#!/usr/bin/env bash
# A throwaway S3 server for tests, benchmarks and demos: one Ceph monitor, one OSD in memory and one RGW, from Debian's
# packages unpacked into a directory. Nothing is installed, no root is needed, and nothing of it survives `stop`.
#
#   s3-ceph.sh fetch ROOT               downloads and unpacks the programs (60 MB, 230 MB unpacked), once
#   s3-ceph.sh start ROOT DIR [PORT]    makes and starts it, prints what a client needs
#   s3-ceph.sh crash DIR                kills the RGW as a power cut would; what it stored stays
#   s3-ceph.sh restart DIR              starts the RGW again
#   s3-ceph.sh stop DIR                 ends all of it and removes DIR
#
# With CEPH_OWNER, the id of a process, it ends with that process. It listens on 127.0.0.1 only. Bucket names in the
# host name work below `s3.test`. DIR should be short: sockets lie in it.
set -Eeuo pipefail

usage="Usage: s3-ceph.sh fetch ROOT | start ROOT DIR [PORT] | crash DIR | restart DIR | stop DIR"
command=${1:?$usage}

# Of Debian 12. The programs are built for its libraries, and `ceph` for its Python.
packages=(
  radosgw ceph-mon ceph-osd ceph-base ceph-common librados2 librbd1 libcephfs2 librgw2 libradosstriper1
  python3-rados python3-ceph-argparse python3-ceph-common python3-prettytable python3-wcwidth
  libboost-thread1.74.0 libboost-context1.74.0 libboost-iostreams1.74.0 libboost-program-options1.74.0 libboost-date-time1.74.0
  libfmt9 libnl-3-200 libnl-route-3-200 libibverbs1 librdmacm1
  libtcmalloc-minimal4 libgoogle-perftools4 liboath0 librabbitmq4 libaio1 libsnappy1v5 libleveldb1d
  libdaxctl1 libndctl6 libpmem1 liburcu8 libfuse2 liblua5.3-0 libcurl3-gnutls libcurl4 librdkafka1 libbabeltrace1
)

use_programs_of() {
  local libraries
  libraries=$(libraries_of "$1")
  export LD_LIBRARY_PATH=$libraries:$libraries/ceph:$1/lib/$(basename "$libraries")
  export PYTHONPATH=$1/usr/lib/python3/dist-packages
  export PATH=$1/usr/bin:$PATH
}

libraries_of() {
  echo "$1"/usr/lib/*-linux-gnu
}

fetch() {
  local root=$1 draft
  mkdir -p "$(dirname "$root")"
  draft=$(mktemp -d "$(realpath -m "$root").XXXXXX")
  chmod 755 "$draft"
  mkdir "$draft/.packages"
  if ! (cd "$draft/.packages" && apt-get -q download "${packages[@]}" >"$draft/log" 2>&1); then
    cat "$draft/log" >&2
    rm -rf "$draft"
    echo "Cannot download Debian's packages of Ceph" >&2
    exit 1
  fi
  for package in "$draft/.packages/"*.deb; do dpkg-deb -x "$package" "$draft"; done
  rm -rf "$draft/.packages" "$draft/log"
  local missing
  missing=$(use_programs_of "$draft" && ldd "$draft"/usr/bin/{ceph-mon,ceph-osd,radosgw,radosgw-admin} | grep 'not found' | sort -u || true)
  if [ -n "$missing" ]; then
    rm -rf "$draft"
    printf 'Cannot use the packages of Ceph: these libraries are missing\n%s\n' "$missing" >&2
    exit 1
  fi
  # Two who fetch at once: either of them will do.
  mv -T "$draft" "$root" 2>/dev/null || rm -rf "$draft"
}

configure() {
  local root=$1 dir=$2 port=$3
  local libraries
  libraries=$(libraries_of "$root")
  cat <<SETTINGS
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$(free_port)
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
# Without keys nothing can be encrypted, which is what clients ask for by default.
ms mon client mode = crc
keyring = $dir/none
run dir = $dir/run
admin socket = $dir/run/\$name.asok
pid file = $dir/run/\$type.pid
log file = $dir/log/\$type.log
mon cluster log file = $dir/log/cluster.log
log to stderr = false
err to stderr = true
plugin dir = $libraries/ceph
erasure code dir = $libraries/ceph/erasure-code
osd class dir = $libraries/rados-classes
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
[mon]
mon data = $dir/mon
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.02
paxos min wait = 0.01
[osd]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 8G
osd op num shards = 2
osd max object name len = 1024
[client]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw dns name = s3.test
rgw data = $dir/run
rgw thread pool size = 32
rgw dynamic resharding = false
rgw override bucket index max shards = 1
rgw enable apis = s3
rgw s3 auth use keystone = false
rgw max put size = 6G
# Deleted bytes would stay in memory for two hours.
rgw gc max objs = 1
rgw gc obj min wait = 2
rgw gc processor period = 2
rgw gc processor max time = 2
rgw lc debug interval = -1
rgw lc max objs = 1
rgw objexp hints num shards = 1
rgw usage max shards = 1
SETTINGS
}

free_port() {
  /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
  local root dir port
  root=$(realpath "$1")
  dir=$(realpath -m "$2")
  port=${3:-$(free_port)}
  umask 077
  mkdir -p "$dir"/{mon,osd,run,log}
  trap 'tail -n 20 "$dir/log/setup" >&2; stop "$dir"' ERR
  configure "$root" "$dir" "$port" >"$dir/ceph.conf"
  printf '%s %s\n' "$root" "$port" >"$dir/place"
  use_programs_of "$root"
  exec 3>>"$dir/log/setup"
  local settings=(-c "$dir/ceph.conf") osd fsid monitor
  osd=$(cat /proc/sys/kernel/random/uuid)
  fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
  monitor=$(sed -n 's/^mon host = //p' "$dir/ceph.conf")
  monmaptool --create --fsid "$fsid" --addv a "[$monitor]" "$dir/monmap" >&3 2>&3
  ceph-mon "${settings[@]}" -i a --mkfs --monmap "$dir/monmap" >&3 2>&3
  ceph-mon "${settings[@]}" -i a >&3 2>&3
  timeout 30 ceph "${settings[@]}" osd new "$osd" 0 >&3 2>&3
  ceph-osd "${settings[@]}" -i 0 --mkfs --osd-uuid "$osd" >&3 2>&3
  ceph-osd "${settings[@]}" -i 0 >&3 2>&3
  radosgw-admin "${settings[@]}" -n client.rgw user create --uid=test --display-name=test \
    --access-key=test --secret-key=testsecret >&3 2>&3
  start_gateway "$dir"
  trap - ERR
  if [ -n "${CEPH_OWNER:-}" ]; then outlive_nobody "$dir" </dev/null >/dev/null 2>&1 3>&- & fi
  echo "MINIO_ENDPOINT=127.0.0.1:$port MINIO_ACCESS_KEY=test MINIO_SECRET_KEY=testsecret MINIO_BUCKET=artifacts"
}

# Daemons are nobody's children: whoever starts them for a while may be killed before it stops them.
outlive_nobody() {
  trap '' HUP INT
  while [ -d "$1" ] && kill -0 "$CEPH_OWNER" 2>/dev/null; do sleep 1; done
  stop "$1"
}

start_gateway() {
  local dir=$1 root port
  read -r root port <"$dir/place"
  use_programs_of "$root"
  radosgw -c "$dir/ceph.conf" -n client.rgw >>"$dir/log/setup" 2>&1
  for _ in $(seq 300); do
    if curl -fso /dev/null "http://127.0.0.1:$port/"; then return; fi
    sleep 0.1
  done
  echo "Cannot start the RGW: it does not answer at port $port" >&2
  return 1
}

# The daemon whose pid file is named after its type.
kill_daemon() {
  local file=$1/run/$2.pid pid
  [ -s "$file" ] || return 0
  pid=$(cat "$file")
  kill -9 "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    if ! readlink "/proc/$pid/exe" >/dev/null 2>&1; then break; fi
    sleep 0.02
  done
  rm -f "$file"
}

stop() {
  local type
  for type in client osd mon; do kill_daemon "$1" "$type"; done
  rm -rf "$1"
}

case $command in
fetch) fetch "${2:?$usage}" ;;
start) start "${2:?$usage}" "${3:?$usage}" "${4:-}" ;;
crash) kill_daemon "${2:?$usage}" client ;;
restart) start_gateway "${2:?$usage}" ;;
stop) stop "${2:?$usage}" ;;
*)
  echo "$usage" >&2
  exit 2
  ;;
esac
