#!/bin/bash
# kalends as a peer of ../shared/bench, and the way any outside test starts one: a release build with a private cluster,
# on 127.0.0.1:15231, believing X-Forwarded-User and every optional header from 127.0.0.1.
# usage: kalends.sh conf|seed|start|stop|pids|wipe
#   conf   the address, the path of a user's home and how to say who one is
#   seed   wipe, then fill in the standard data set of the benchmark ($LOADGEN; SIZES and USERS shrink it)
#   start  returns when the server answers      stop   returns when nothing of it runs
#   pids   the server's and PostgreSQL's        wipe   back to an empty, migrated state; a running server runs again
# State: $STATE/kalends, by default in $BENCH_HOME/state. $KALENDS names another binary than the release build.
set -eu
umask 022
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")
BENCH=${BENCH:-$ROOT/../shared/bench}
BENCH_HOME=${BENCH_HOME:-$HOME/.cache/kalends-bench}
STATE=${STATE:-$BENCH_HOME/state}
LOADGEN=${LOADGEN:-$BENCH_HOME/loadgen-target/release/loadgen}
SIZES=${SIZES:-"100 1000 10000 100000"}
PORT=15231
D=$STATE/kalends
TARGET=${CARGO_TARGET_DIR:-${KALENDS_CACHE:-$HOME/.cache/kalends}/target}
BINARY=${KALENDS:-$TARGET/release/kalends}

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The folder of the databases. PostgreSQL does not run as root, and its user may not be let into root's home.
databases() {
  if [[ $(id -u) == 0 ]] && ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$D" 2> /dev/null; then
    echo "/var/lib/kalends-bench/$(cksum <<< "$D" | cut -d' ' -f1)"
  else
    echo "$D/data"
  fi
}

build() {
  [[ -z ${KALENDS:-} ]] || return 0
  if [[ ! -x $BINARY ]] || [[ -n $(find "$ROOT/src" "$ROOT/sql" "$ROOT/Cargo.lock" -newer "$BINARY" -print -quit 2> /dev/null) ]]; then
    say "building kalends"
    CARGO_TARGET_DIR=$TARGET cargo build --release --locked --quiet --manifest-path "$ROOT/Cargo.toml" >&2
    touch "$BINARY"
  fi
}

write_conf() {
  cat > "$D/kalends.toml" << CONF
[server]
listen = ["127.0.0.1:$PORT"]

[limits]
connections = 4096
drain_time = "2s"

[identity]
header = "X-Forwarded-User"
trusted = ["127.0.0.1/32"]
email_header = "X-Forwarded-Email"
name_header = "X-Forwarded-Name"
subject_header = "X-Forwarded-Sub"
subject_required = false
groups_header = "X-Forwarded-Groups"
admins = ["admin"]
local_domains = ["example.com"]

[cluster]
data_dir = "$DATA/cluster"

[monitor]
listen = ""

[log]
level = "${KALENDS_LOG:-warn}"
CONF
}

# Whether that process runs; one that only waits for its parent's look does not.
lives() { [[ -n ${1:-} && -e /proc/$1 ]] && ! grep -qs '^State:.Z' "/proc/$1/status"; }

running() { lives "$(cat "$D/pid" 2> /dev/null)"; }

# One request through bash itself: curl costs more than a kalends start may take.
answers() {
  local line
  exec 3<> "/dev/tcp/127.0.0.1/$PORT" || return 1
  printf 'OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nX-Forwarded-User: admin\r\nConnection: close\r\n\r\n' "$PORT" >&3
  read -r -t 5 line <&3 && [[ $line == "HTTP/1.1 2"* ]]
}

start() {
  ! running || die "kalends runs already"
  build
  mkdir -p "$D" "$DATA"
  write_conf
  setsid "$BINARY" up --config "$D/kalends.toml" > "$D/log" 2>&1 < /dev/null &
  echo $! > "$D/pid"
  local end=$((SECONDS + 60))
  until (answers) 2> /dev/null; do
    if ! running || [[ $SECONDS -ge $end ]]; then
      tail -20 "$D/log" >&2
      stop
      die "kalends does not answer on 127.0.0.1:$PORT"
    fi
    sleep 0.02
  done
}

# until_gone SECONDS PID...: fails when one of them still runs then.
until_gone() {
  local end=$((SECONDS + $1)) pid
  shift
  for pid; do
    while lives "$pid"; do
      [[ $SECONDS -lt $end ]] || return 1
      sleep 0.02
    done
  done
}

# In order: what was answered stays.
stop() {
  local server database
  server=$(cat "$D/pid" 2> /dev/null || true)
  database=$(postmaster_pid)
  if running; then
    kill -TERM "$server"
  elif [[ -n $database ]]; then # its kalends was killed
    kill -INT "$database"
  fi
  # shellcheck disable=SC2086 # nothing at all, when nothing runs
  until_gone 30 $server $database || crash
  rm -f "$D/pid"
}

# The process id of the cluster's PostgreSQL; nothing when it does not run.
postmaster_pid() {
  local file pid
  file=$(find "$DATA/cluster" -maxdepth 3 -name postmaster.pid -print -quit 2> /dev/null || true)
  [[ -n $file ]] || return 0
  pid=$(head -1 "$file")
  ! lives "$pid" || echo "$pid"
}

# At once: for data that is thrown away. PostgreSQL gets its "immediate" signal, so that it leaves no shared memory.
crash() {
  local server database
  server=$(cat "$D/pid" 2> /dev/null || true)
  database=$(postmaster_pid)
  # shellcheck disable=SC2086
  kill -KILL $server 2> /dev/null || true
  # shellcheck disable=SC2086
  kill -QUIT $database 2> /dev/null || true
  # shellcheck disable=SC2086
  until_gone 10 $server $database || kill -KILL $server $database 2> /dev/null || true
  rm -f "$D/pid"
}

# An empty, migrated cluster is kept, one for each set of migrations, and copied into place.
wipe() {
  local again='' template
  template=$DATA/empty-$(cat "$ROOT"/sql/*/migrate/*.sql 2> /dev/null | cksum | cut -d' ' -f1)
  ! running || again=1
  crash
  rm -rf "$DATA/cluster"
  if [[ ! -d $template ]]; then
    start
    stop
    rm -rf "$DATA"/empty-*
    cp -a "$DATA/cluster" "$template.new"
    mv "$template.new" "$template"
  else
    mkdir -p "$D" "$DATA"
    cp -a "$template" "$DATA/cluster"
  fi
  [[ -z $again ]] || start
}

seed() {
  local size spec='' k
  if [[ ! -x $LOADGEN ]]; then
    say "building the load generator"
    cargo build --release --quiet --manifest-path "$BENCH/loadgen/Cargo.toml" --target-dir "$BENCH_HOME/loadgen-target" >&2
  fi
  wipe
  running || start
  # shellcheck disable=SC2046 # conf prints words
  fill() { "$LOADGEN" seed peer=kalends $(conf) conns=4 "$@"; }
  for size in $SIZES; do spec+=,c$size:$size; done
  fill users=bench1 spec="${spec#,}"
  spec=''
  for k in 0 1 2 3 4 5 6 7 8 9; do spec+=,h$k:100; done
  fill users=bench2 spec="${spec#,}"
  fill "users=u001-u$(printf %03d "${USERS:-200}")" spec=work:100
  stop
}

conf() { echo "base=127.0.0.1:$PORT home=/dav/calendars/{user}/ auth=header:X-Forwarded-User:{user}"; }

mkdir -p "$D"
DATA=$(databases)
case ${1:-} in
  conf) conf ;;
  seed) seed ;;
  start) start ;;
  stop) stop ;;
  pids)
    running || die "kalends does not run"
    printf '%s\n' "$(cat "$D/pid")" "$(postmaster_pid)" | grep . | paste -sd,
    ;;
  wipe) wipe ;;
  *) die "usage: kalends.sh conf|seed|start|stop|pids|wipe" ;;
esac
