#!/bin/bash
# Real clients, through a real nginx, against a kalends with a private cluster; all of it started here and stopped again.
# usage: run.sh            the small clients: python-caldav, vdirsyncer, tsdav, caldav-server-tester (`make test`)
#        run.sh desktop    Thunderbird and Evolution's engine (`make clients`)
# $DAV_UPSTREAM=http://host:port, with $DAV_ROOT and $DAV_HOME, tries another server in the place of kalends.
# The last line is "N passed, N failed, N skipped"; logs of a run that failed stay in $KALENDS_CACHE/logs.
set -u
. "$(dirname "$0")/../tools/env.sh"
HERE=$ROOT/tests/clients
TOOLS=$ROOT/tests/tools
WORK=$(mktemp -d "${TMPDIR:-/tmp}/kalends.XXXXXX")
chmod 755 "$WORK" # the cluster may run as another user
PYTHON=$CLIENTS/venv-cli/bin/python
export PYTHONDONTWRITEBYTECODE=1
export DAV_USERS="alice bob carol dave erin frank" DAV_PASSWORD_TAIL=-secret DAV_NODE_MODULES=$CLIENTS/npm/node_modules
export DAV_ROOT=${DAV_ROOT:-/dav/} DAV_HOME=${DAV_HOME:-'/dav/calendars/{user}/'}
: > "$WORK/verdicts"

finish() {
  local status=$?
  trap - EXIT INT TERM
  "$TOOLS/nginx.sh" stop "$WORK/nginx"
  "$TOOLS/server.sh" stop "$WORK/server"
  if [[ $status != 0 ]]; then
    rm -rf "$KALENDS_CACHE/logs/clients"
    mkdir -p "$KALENDS_CACHE/logs/clients"
    cp "$WORK"/*.log "$WORK"/server/*.log "$WORK"/nginx/*.log "$KALENDS_CACHE/logs/clients/" 2> /dev/null
    say "logs: $KALENDS_CACHE/logs/clients"
  fi
  rm -rf "$WORK"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# drive NAME COMMAND...: runs one driver and notes its verdict.
drive() {
  local name=$1 status=0
  shift
  timeout 600 "$@" > "$WORK/$name.log" 2>&1 || status=$?
  python3 "$HERE/tally.py" "$name" "$WORK/$name.log" $status | tee -a "$WORK/verdicts"
}

PORT=$(free_port)
export DAV_URL=http://127.0.0.1:$PORT
if [[ -z ${DAV_UPSTREAM:-} ]]; then
  "$TOOLS/server.sh" start "$WORK/server" || exit 1
fi
"$TOOLS/nginx.sh" start "$WORK/nginx" "$PORT" "${DAV_UPSTREAM:-http://unix:$WORK/server/kalends.sock}" || exit 1

# The drivers of ../shared/rig, where they are; users of their own, so that no driver meets another's calendars.
RIG=$SHARED/rig
export RIG_URL=$DAV_URL RIG_WORK=$CLIENTS RIG_DAV_PATH=$DAV_ROOT RIG_CALHOME=$DAV_HOME RIG_PRINCIPAL=${DAV_PRINCIPAL:-'/dav/principals/{user}/'}
export RIG_REALM=kalends RIG_USER=dave RIG_PASSWORD=dave-secret RIG_USER2=erin RIG_PASSWORD2=erin-secret RIG_USER3=frank RIG_PASSWORD3=frank-secret

case ${1:-small} in
  small)
    drive python-caldav "$PYTHON" "$HERE/drivers/python_caldav.py"
    drive vdirsyncer "$PYTHON" "$HERE/drivers/vdirsyncer.py"
    drive tsdav node "$HERE/drivers/tsdav.mjs"
    drive server-tester "$PYTHON" "$HERE/drivers/server_tester.py"
    if [[ -x $RIG/drive-caldav.py ]]; then
      drive rig-curl "$RIG/drive-small.sh" curl
      drive rig-caldav "$RIG/drive-caldav.py"
      drive rig-vdirsyncer "$RIG/drive-vdirsyncer.py"
      drive rig-tsdav "$RIG/drive-tsdav.mjs"
    fi
    ;;
  desktop)
    [[ -x $RIG/tb.py ]] || die "the drivers of the desktop clients are in ../shared/rig, which is not beside this clone"
    drive thunderbird "$RIG/tb.py"
    drive evolution "$RIG/drive-eds.py"
    ;;
  *) die "usage: run.sh [desktop]" ;;
esac
if [[ -z ${DAV_UPSTREAM:-} ]]; then
  drive shutdown "$HERE/drivers/shutdown.sh" "$WORK/server"
fi

awk '{ passed += $2; failed += $4; skipped += $6 }
  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 || passed == 0 }' "$WORK/verdicts"
