#!/bin/bash
# Seeds each fault of a list into the configuration of a site that runs (site.sh start DIR apache|nginx), and says whether
# `kalends check --proxy` names it; the site is as it was afterwards.
# usage: run.sh DIR apache|nginx [NAME...]      NAME: these faults alone
# One line a fault: `ok   name`, `FAIL name why` or `skip name why`; `N passed, N failed, N skipped` at the end. First of all the
# configuration without a fault must have no finding. Then only the checks that should name a fault are made, unless
# $KALENDS_ALL_CHECKS is set. $KALENDS names the binary.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../../tools/env.sh"
[[ $# -ge 2 ]] || die "usage: run.sh DIR apache|nginx [NAME...]"
DIR=$(cd "$1" && pwd)
KIND=$2
shift 2
KALENDS=${KALENDS:-$CARGO_TARGET_DIR/debug/kalends}
# shellcheck source=/dev/null
. "$DIR/env"
CONF=$(dirname "$PROXY_CONF")
GOOD=$(mktemp -d "${TMPDIR:-/tmp}/kalends-faults.XXXXXX")
passed=0 failed=0 skipped=0

# Files that the configuration names elsewhere are taken beside it, so that they can be changed too.
gather() {
  local file
  file=$(sed -n 's/^Define KALENDS_HEADERS "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$PROXY_CONF")
  if [[ $KIND = apache && -n $file && $(dirname "$file") != "$CONF" ]]; then
    cp "$file" "$CONF/kalends-headers.conf"
    sed -i "s|^Define KALENDS_HEADERS .*|Define KALENDS_HEADERS \"$CONF/kalends-headers.conf\"|" "$PROXY_CONF"
  fi
  cp "$CONF"/kalends*.conf "$GOOD"
}

# At once: a graceful restart of Apache lets old workers answer for a while.
reload() {
  bash -c "${RELOAD/graceful/restart}" > "$GOOD/reload.log" 2>&1 || return 1
  sleep "${RELOAD_WAIT:-0.5}"
  wait_until "$PATIENCE" curl -s -k -o /dev/null "https://127.0.0.1:$SITE_PORT/"
}

restore() {
  cp "$GOOD"/kalends*.conf "$CONF"
  reload || true
}

finish() {
  restore
  rm -rf "$GOOD"
}
trap finish EXIT
trap 'exit 130' INT TERM

# probe [CHECK...]: the names of the checks, of these or of all, that find something.
probe() {
  local status=0 check only=()
  for check in "$@"; do only+=(--only "$check"); done
  KALENDS_CHECK_PASSWORD=alice-secret "$KALENDS" check --config "$DIR/kalends/kalends.toml" --proxy "$SITE_URL" --user alice \
    --ca "$SITE_CA" --resolve "$SITE_HOST:$SITE_PORT:127.0.0.1" "${only[@]}" > "$GOOD/report" 2> "$GOOD/errors" || status=$?
  if [[ $status = 2 ]]; then echo "could-not-run"; fi
  sed -nE 's/^  (OPEN|WEAK|BREAKS) +([a-z0-9.-]+):.*/\2/p' "$GOOD/report" | sort -u
}

# seed NAME CHECKS SCRIPT: one fault.
seed() {
  local name=$1 checks=$2 script=$3 found check file changed=0
  if [[ $name = *"("* ]]; then
    echo "skip $name"
    skipped=$((skipped + 1))
    return
  fi
  for file in "$CONF"/kalends*.conf; do
    sed -E -i "$script" "$file"
    sed -i -e "s|@DIR@|$DIR|g" -e "s|@PORT@|$SITE_PORT|g" -e "s|@SECRET@|$SECRET|g" "$file"
    cmp -s "$file" "$GOOD/$(basename "$file")" || changed=1
  done
  if [[ $changed = 0 ]]; then
    echo "FAIL $name does not fit this configuration: mend its script, or say in brackets where it does"
    failed=$((failed + 1))
    return
  fi
  if ! reload; then
    echo "FAIL $name the proxy refuses it: $(tail -1 "$GOOD/reload.log")"
    failed=$((failed + 1))
  else
    # shellcheck disable=SC2046,SC2086 # names without spaces
    found=$(probe $([[ -n ${KALENDS_ALL_CHECKS:-} ]] || echo ${checks//,/ }) | tr '\n' ' ')
    for check in ${checks//,/ }; do
      if [[ " $found" = *" $check "* ]]; then
        echo "ok   $name ($check)"
        passed=$((passed + 1))
        cp "$GOOD"/kalends*.conf "$CONF"
        return
      fi
    done
    echo "FAIL $name wanted $checks, found: ${found:-nothing}"
    failed=$((failed + 1))
  fi
  cp "$GOOD"/kalends*.conf "$CONF"
}

gather
reload
found=$(probe | tr '\n' ' ')
if [[ -n ${found// /} ]]; then
  echo "FAIL without-a-fault found: $found"
  failed=$((failed + 1))
  cat "$GOOD/report" "$GOOD/errors" >&2
else
  echo "ok   without-a-fault"
  passed=$((passed + 1))
fi
name='' checks='' script=''
while IFS= read -r line || [[ -n $line ]]; do
  if [[ $line = "== "* ]]; then
    [[ -z $name ]] || seed "$name" "$checks" "$script"
    name=${line#== } checks=${line##*: } script=''
    name=${name%: *}
    [[ $# = 0 || " $* " = *" $name "* ]] || name=''
  elif [[ $line != "#"* ]]; then
    script+=$line$'\n'
  fi
done < "$HERE/$KIND"
[[ -z $name ]] || seed "$name" "$checks" "$script"
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed = 0 ]]
