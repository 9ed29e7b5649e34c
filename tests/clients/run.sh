#!/bin/bash
# Real clients, through a real nginx, against a kalends with a private cluster; all of it started here and stopped again.
# usage: run.sh [small] [apache|nginx]    the small clients: python-caldav, vdirsyncer, tsdav, caldav-server-tester (`make test`)
#        run.sh desktop [apache|nginx]    Thunderbird and Evolution's engine (`make clients`)
# With apache or nginx they go through the configuration that deploy/ ships, over TLS, with app passwords that were made for them, and
# some with such as do not reach as far as their owner; otherwise through the plainest nginx, with a file of passwords.
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
export DAV_USERS="alice bob carol dave erin frank grace heidi ivan judy" DAV_PASSWORD_TAIL=-secret DAV_NODE_MODULES=$CLIENTS/npm/node_modules
export DAV_ROOT=${DAV_ROOT:-/dav/} DAV_HOME=${DAV_HOME:-'/dav/calendars/{user}/'}
: > "$WORK/verdicts"

finish() {
  local status=$?
  trap - EXIT INT TERM
  stop_pid "$WORK/unwrap.pid" 5
  [[ ! -e $WORK/site/env ]] || "$ROOT/tests/sso/site.sh" stop "$WORK/site"
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

# A configuration of deploy/ with all that belongs to it, at https://localhost; every client trusts its authority.
shipped() {
  SITE_HOST=localhost NGINX_VARIANT=app-passwords APACHE_PASSWORDS=app-passwords "$ROOT/tests/sso/site.sh" start "$WORK/site" "$1" || exit 1
  # shellcheck disable=SC1091 # written by site.sh
  . "$WORK/site/env"
  export DAV_URL=$SITE_URL SSL_CERT_FILE=$SITE_CA REQUESTS_CA_BUNDLE=$SITE_CA NODE_EXTRA_CA_CERTS=$SITE_CA
  export API SECRET DAV_PASSWORDS=$WORK/passwords.json
  # shellcheck disable=SC2086 # a list
  python3 "$HERE/drivers/mint.py" $DAV_USERS > "$DAV_PASSWORDS" || die "no app passwords can be made"
  # Some programs know the authorities of the system alone.
  local port
  port=$(free_port)
  python3 "$TOOLS/unwrap_tls.py" "$port" "localhost:$SITE_PORT" "$SITE_CA" > "$WORK/unwrap.log" 2>&1 &
  echo $! > "$WORK/unwrap.pid"
  PLAIN_URL=http://127.0.0.1:$port
  wait_until "$PATIENCE" curl -s -o /dev/null "$PLAIN_URL/" || die "nothing carries plain connections on, see $WORK/unwrap.log"
}

plain() {
  local port
  port=$(free_port)
  export DAV_URL=http://127.0.0.1:$port
  if [[ -z ${DAV_UPSTREAM:-} ]]; then
    "$TOOLS/server.sh" start "$WORK/server" || exit 1
  fi
  "$TOOLS/nginx.sh" start "$WORK/nginx" "$port" "${DAV_UPSTREAM:-http://unix:$WORK/server/kalends.sock}" || exit 1
}

case ${2:-plain} in
  plain) plain ;;
  apache | nginx) shipped "$2" ;;
  *) die "usage: run.sh [small|desktop] [apache|nginx]" ;;
esac
PLAIN_URL=${PLAIN_URL:-$DAV_URL}

# The drivers of ../shared/rig, where they are; users of their own, so that no driver meets another's calendars.
RIG=$SHARED/rig
export RIG_URL=$PLAIN_URL RIG_WORK=$CLIENTS RIG_DAV_PATH=$DAV_ROOT RIG_CALHOME=$DAV_HOME RIG_PRINCIPAL=${DAV_PRINCIPAL:-'/dav/principals/{user}/'}
secret() { if [[ -n ${DAV_PASSWORDS:-} ]]; then python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$DAV_PASSWORDS" "$1"; else echo "$1-secret"; fi; }
export RIG_REALM=kalends RIG_USER=dave RIG_USER2=erin RIG_USER3=frank
RIG_PASSWORD=$(secret dave) RIG_PASSWORD2=$(secret erin) RIG_PASSWORD3=$(secret frank)
export RIG_PASSWORD RIG_PASSWORD2 RIG_PASSWORD3

case ${1:-small} in
  small)
    drive python-caldav "$PYTHON" "$HERE/drivers/python_caldav.py"
    drive vdirsyncer "$PYTHON" "$HERE/drivers/vdirsyncer.py"
    drive tsdav node "$HERE/drivers/tsdav.mjs"
    if [[ -n ${DAV_PASSWORDS:-} ]]; then
      drive passwords-caldav "$PYTHON" "$HERE/drivers/passwords.py"
      drive passwords-vdirsyncer "$PYTHON" "$HERE/drivers/passwords_vdirsyncer.py"
      drive passwords-tsdav node "$HERE/drivers/passwords.mjs"
    fi
    DAV_URL=$PLAIN_URL drive server-tester "$PYTHON" "$HERE/drivers/server_tester.py"
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
    # A calendar that is shared, to users of their own.
    DAV_URL=$PLAIN_URL drive thunderbird-shared python3 "$HERE/drivers/thunderbird.py"
    DAV_URL=$PLAIN_URL drive evolution-shared /usr/bin/python3 "$HERE/drivers/evolution.py"
    ;;
  *) die "usage: run.sh [small|desktop] [apache|nginx]" ;;
esac
if [[ -e $WORK/server ]]; then
  drive shutdown "$HERE/drivers/shutdown.sh" "$WORK/server"
fi

awk '{ passed += $2; failed += $4; skipped += $6 }
  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 || passed == 0 }' "$WORK/verdicts"
