#!/bin/bash
# The shipped proxy configurations with a provider of their own: sign-ins, attacks, a browser, real clients, restarts, seeded faults.
# usage: run.sh [apache|nginx...]      both, if none is named; `make test` runs it
# The last line is "N passed, N failed, N skipped"; logs of a run that failed stay in $KALENDS_CACHE/logs/sso.
set -u
. "$(dirname "$0")/../tools/env.sh"
SSO=$ROOT/tests/sso
WORK=$(mktemp -d "${TMPDIR:-/tmp}/kalends-sso.XXXXXX")
chmod 755 "$WORK" # proxies and the cluster run as others
export KALENDS=${KALENDS:-$CARGO_TARGET_DIR/debug/kalends}
export DAV_NODE_MODULES=$CLIENTS/npm/node_modules PYTHONDONTWRITEBYTECODE=1
: > "$WORK/verdicts"

finish() {
  local status=$? site
  trap - EXIT INT TERM
  for site in "$WORK"/*/env; do
    [[ ! -e $site ]] || "$SSO/site.sh" stop "${site%/env}"
  done
  if [[ $status != 0 ]]; then
    rm -rf "$KALENDS_CACHE/logs/sso"
    mkdir -p "$KALENDS_CACHE/logs/sso"
    find "$WORK" -name '*.log' -exec cp --backup=numbered -t "$KALENDS_CACHE/logs/sso" {} + 2> /dev/null
    say "logs: $KALENDS_CACHE/logs/sso"
  fi
  rm -rf "$WORK"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# drive NAME COMMAND...: runs one program and notes its verdict.
drive() {
  local name=$1 status=0 began=$SECONDS
  shift
  timeout 900 "$@" > "$WORK/$name.log" 2>&1 || status=$?
  python3 "$ROOT/tests/clients/tally.py" "$name" "$WORK/$name.log" $status | tee -a "$WORK/verdicts"
  say "  in $((SECONDS - began)) s"
}

# nest NAME COMMAND...: the same for a program that has tallied by itself.
nest() {
  local name=$1 began=$SECONDS
  shift
  timeout 900 "$@" > "$WORK/$name.log" 2>&1
  sed -n '/^FAIL\|: FAIL/p' "$WORK/$name.log" >&2
  (tail -n 1 "$WORK/$name.log" | grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' || { tail -n 20 "$WORK/$name.log" >&2 && echo "0 passed, 1 failed, 0 skipped"; }) |
    sed "s/^/$name: /" | tee -a "$WORK/verdicts"
  say "  in $((SECONDS - began)) s"
}

drive realm "$SSO/realm.sh"
for proxy in "${@:-apache nginx}"; do
  for site in $proxy; do
    "$SSO/site.sh" start "$WORK/$site" "$site" || exit 1
    drive "$site-provider" python3 "$SSO/flows.py" "$WORK/$site"
    drive "$site-logins" python3 "$SSO/check_logins.py" "$WORK/$site"
    drive "$site-browser" node "$SSO/browser.mjs" "$WORK/$site"
    drive "$site-attacks" python3 "$SSO/attacks.py" "$WORK/$site"
    nest "$site-clients" "$ROOT/tests/clients/run.sh" small "$site"
    case $site in
      apache) drive apache-remote-user "$SSO/apache_remote_user.sh" "$WORK/remote-user" ;;
      nginx) drive nginx-variants python3 "$SSO/check_nginx.py" "$WORK/nginx" ;;
    esac
    drive "$site-app-passwords" python3 "$SSO/app_passwords.py" "$WORK/$site-app-passwords" "$site"
    drive "$site-expiry" python3 "$SSO/expiry.py" "$WORK/$site-expiry" "$site"
    drive "$site-restart" python3 "$SSO/restart.py" "$WORK/$site-restart" "$site"
    nest "$site-faults" "$SSO/faults/run.sh" "$WORK/$site" "$site"
    "$SSO/site.sh" stop "$WORK/$site"
    rm -f "$WORK/$site/env"
  done
done

awk '{ passed += $2; failed += $4; skipped += $6 }
  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 || passed == 0 }' "$WORK/verdicts"
