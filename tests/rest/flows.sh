#!/bin/bash
# What a web front end does (flows.mjs), through a real nginx, against a real kalends with both services and a private cluster.
# usage: flows.sh        the last line is "N passed, N failed"; logs of a run that failed stay in $KALENDS_CACHE/logs/flows
set -u
. "$(dirname "$0")/../tools/env.sh"
TOOLS=$ROOT/tests/tools
WORK=$(mktemp -d "${TMPDIR:-/tmp}/kalends.XXXXXX")
chmod 755 "$WORK" # the cluster may run as another user

finish() {
  local status=$?
  trap - EXIT INT TERM
  "$TOOLS/nginx.sh" stop "$WORK/nginx"
  "$TOOLS/server.sh" stop "$WORK/server"
  if [[ $status != 0 ]]; then
    rm -rf "$KALENDS_CACHE/logs/flows"
    mkdir -p "$KALENDS_CACHE/logs/flows"
    cp "$WORK"/server/*.log "$WORK"/nginx/*.log "$KALENDS_CACHE/logs/flows/" 2> /dev/null
    say "logs: $KALENDS_CACHE/logs/flows"
  fi
  rm -rf "$WORK"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

rest=unix:$WORK/rest.sock
port=$(free_port)
export DAV_URL=http://127.0.0.1:$port DAV_USERS="ann@example.com ben@example.com" DAV_NODE_MODULES=$CLIENTS/npm/node_modules
# The front end's base path is the one that clients are told.
export KALENDS__SERVER__BASE_PATHS=/api/v1.0/caldav/,/dav/
KALENDS__API__LISTEN=$rest "$TOOLS/server.sh" start "$WORK/server" || exit 1
NGINX_REST=$rest "$TOOLS/nginx.sh" start "$WORK/nginx" "$port" "http://unix:$WORK/server/kalends.sock" || exit 1
timeout 300 node "$ROOT/tests/rest/flows.mjs"
