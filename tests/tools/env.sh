# shellcheck shell=bash
# Sourced by every script of the tests: where things live, and a few small tools.
# Nothing that is fetched or built lies in the repository; KALENDS_CACHE holds it all.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export KALENDS_CACHE=${KALENDS_CACHE:-$HOME/.cache/kalends}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$KALENDS_CACHE/target}
# shellcheck disable=SC2034 # the sourcing scripts use these
CLIENTS=$KALENDS_CACHE/clients # the third-party clients: venv-cli (PyPI), npm
# shellcheck disable=SC2034
SHARED=${KALENDS_SHARED:-$ROOT/../shared}
export PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# A loopback port that nobody listens on now.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# How long a program may take to come up, in seconds. It ends what hangs: a machine whose disk is read for the first time,
# or that was put to sleep, takes tens of seconds for what takes one elsewhere.
# shellcheck disable=SC2034
PATIENCE=120

# wait_until SECONDS COMMAND...: until the command succeeds.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [[ $SECONDS -lt $end ]] || return 1
    sleep 0.05
  done
}

# Whether that process runs; one that only waits for its parent's look does not.
lives() { [[ -e /proc/$1 ]] && ! grep -qs '^State:.Z' "/proc/$1/status"; }

# stop_pid FILE [SECONDS]: asks the process named in the file to end, waits, and insists if it must.
stop_pid() {
  local pid end
  pid=$(cat "$1" 2> /dev/null) || return 0
  end=$((SECONDS + ${2:-30}))
  kill "$pid" 2> /dev/null
  while lives "$pid"; do
    if [[ $SECONDS -ge $end ]]; then
      say "process $pid ($1) did not end, killing it"
      kill -KILL "$pid" 2> /dev/null
      break
    fi
    sleep 0.05
  done
  rm -f "$1"
}
