#!/bin/bash
# What a web front end does (flows.mjs), through a real nginx, against a real kalends and a private cluster: with both services in
# one process, and with each in a process of its own.
# usage: flows.sh        the last line is "N passed, N failed"; logs of a run that failed stay in $KALENDS_CACHE/logs/flows
set -u
. "$(dirname "$0")/../tools/env.sh"
TOOLS=$ROOT/tests/tools
BINARY=${KALENDS:-$CARGO_TARGET_DIR/debug/kalends}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/kalends.XXXXXX")
chmod 755 "$WORK" # the cluster may run as another user

stop() {
  "$TOOLS/nginx.sh" stop "$WORK/nginx"
  stop_pid "$WORK/api.pid"
  stop_pid "$WORK/caldav.pid"
  "$TOOLS/server.sh" stop "$WORK/server"
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  stop
  if [[ $status != 0 ]]; then
    rm -rf "$KALENDS_CACHE/logs/flows"
    mkdir -p "$KALENDS_CACHE/logs/flows"
    cp "$WORK"/*.log "$WORK"/server/*.log "$WORK"/nginx/*.log "$KALENDS_CACHE/logs/flows/" 2> /dev/null
    say "logs: $KALENDS_CACHE/logs/flows"
  fi
  rm -rf "$WORK"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# process NAME SOCKET COMMAND: a kalends over the same database, with what the environment says.
process() {
  local name=$1 socket=$2
  setsid "$BINARY" "$3" --config "$WORK/server/kalends.toml" > "$WORK/$name.log" 2>&1 < /dev/null &
  echo $! > "$WORK/$name.pid"
  wait_until "$PATIENCE" curl -s -o /dev/null --unix-socket "$socket" http://kalends/ || die "$name does not answer: $(tail -5 "$WORK/$name.log")"
}

# play CALDAV REST: the flows, through nginx before these two sockets; adds up what came of them.
play() {
  local port verdict
  port=$(free_port)
  export DAV_URL=http://127.0.0.1:$port
  NGINX_REST=unix:$2 "$TOOLS/nginx.sh" start "$WORK/nginx" "$port" "http://unix:$1" || exit 1
  timeout 300 node "$ROOT/tests/rest/flows.mjs" | tee "$WORK/flows.log"
  verdict=$(tail -1 "$WORK/flows.log")
  [[ $verdict =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || die "the flows did not end: $verdict"
  passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
  stop
}

passed=0 failed=0
export DAV_USERS="ann@example.com ben@example.com" DAV_NODE_MODULES=$CLIENTS/npm/node_modules
# The front end's base path is the one that clients are told.
export KALENDS__SERVER__BASE_PATHS=/api/v1.0/caldav/,/dav/
own=$WORK/server/kalends.sock rest=$WORK/rest.sock caldav=$WORK/caldav.sock
export KALENDS__API__LISTEN=unix:$rest

"$TOOLS/server.sh" start "$WORK/server" || exit 1
play "$own" "$rest"

rm -rf "$WORK/server"
# This one brings the database; nobody asks it anything.
KALENDS__API__LISTEN=unix:$WORK/server.sock "$TOOLS/server.sh" start "$WORK/server" || exit 1
export KALENDS__DATABASE__URL="postgresql:///kalends?user=kalends&host=$WORK/server/cluster/socket" KALENDS__SERVER__LISTEN=unix:$caldav
KALENDS__API__LISTEN='' process caldav "$caldav" serve
KALENDS__API__CALDAV=unix:$caldav process api "$rest" api
play "$caldav" "$rest"
echo "$passed passed, $failed failed"
[[ $failed == 0 && $passed != 0 ]]
