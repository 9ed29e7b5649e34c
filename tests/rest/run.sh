#!/bin/bash
# What Schemathesis makes of the REST service's own description, sent to a real kalends with a private cluster: no answer may
# be a server error, have a status that is not described, or be other than it is described. Throttles are off, so that there
# is nothing between it and the service.
# usage: run.sh short|long      short is for `make test`; long lasts $TIME seconds (900) and must
# send more than 10,000 requests. $SEED is 1 where nobody sets it.
set -u
. "$(dirname "$0")/../tools/env.sh"
TOOLS=$ROOT/tests/tools
WORK=$(mktemp -d "${TMPDIR:-/tmp}/kalends.XXXXXX")
chmod 755 "$WORK" # the cluster may run as another user
export PYTHONDONTWRITEBYTECODE=1

finish() {
  local status=$?
  trap - EXIT INT TERM
  "$TOOLS/server.sh" stop "$WORK/server"
  if [[ $status != 0 ]]; then
    rm -rf "$KALENDS_CACHE/logs/rest"
    mkdir -p "$KALENDS_CACHE/logs/rest"
    cp "$WORK"/*.log "$WORK"/server/*.log "$KALENDS_CACHE/logs/rest/" 2> /dev/null
    say "logs: $KALENDS_CACHE/logs/rest"
  fi
  rm -rf "$WORK"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

case ${1:-} in
  short) bounds=(--max-time 75 --max-examples 15) least=300 ;;
  long) bounds=(--max-time "${TIME:-900}" --max-examples 100) least=10000 ;;
  *) die "usage: run.sh short|long" ;;
esac

port=$(free_port)
export KALENDS__API__LISTEN=127.0.0.1:$port KALENDS__API__REQUESTS_PER_MINUTE=0 KALENDS__CALENDAR__MAX_COLLECTIONS=12
export KALENDS__FEEDS__REQUESTS_PER_MINUTE=0 SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$ROOT/tests/rest
"$TOOLS/server.sh" start "$WORK/server" || exit 1
cd "$WORK" || exit 1
# Something to edit and to be cut.
printf '%s\r\n' BEGIN:VCALENDAR VERSION:2.0 PRODID:x BEGIN:VEVENT UID:a@example.org DTSTAMP:20260101T000000Z \
  'DTSTART;TZID=Europe/Paris:20260302T090000' 'DTEND;TZID=Europe/Paris:20260302T100000' 'RRULE:FREQ=WEEKLY;COUNT=10' SUMMARY:Weekly \
  END:VEVENT END:VCALENDAR > event.ics
curl -sf -o /dev/null -H 'X-Forwarded-User: alice' -H 'X-Forwarded-Email: alice@example.com' -H 'Content-Type: text/calendar' \
  --data-binary @event.ics "http://127.0.0.1:$port/api/v1.0/calendars/calendar/import/" || die "there is no event to begin with"
"$CLIENTS/venv-rest/bin/schemathesis" run "http://127.0.0.1:$port/api/v1.0/openapi.json" "${bounds[@]}" \
  --header 'X-Forwarded-User: alice' --header 'X-Forwarded-Email: alice@example.com' \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,allow_header_conformance \
  --seed "${SEED:-1}" --continue-on-failure --request-timeout 30 --warnings off --generation-database none \
  --suppress-health-check all --report json --report-json-path "$WORK/report.json" --no-color > "$WORK/schemathesis.log" 2>&1
status=$?
tail -25 "$WORK/schemathesis.log"
[[ $status == 0 ]] || exit 1
# A run that asked little has shown little.
asked=$(sed -n 's/^ *\([0-9][0-9]*\) generated.*/\1/p' "$WORK/schemathesis.log")
[[ ${asked:-0} -ge $least ]] || die "only ${asked:-0} requests were sent, fewer than $least"
