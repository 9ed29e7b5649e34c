#!/bin/bash
# One whole site for one test run: certificates, OpenID provider, kalends, and a shipped proxy configuration before it.
# usage: site.sh start DIR apache|nginx|none     everything lies in DIR; DIR/env tells the tests what they need to know
#        site.sh stop DIR
# SITE_KALENDS=/path/socket  that kalends is used, none is started (it must believe DIR's secret: set SECRET as well)
# SITE_PORT=8443             that port instead of a free one
# SITE_HOST=localhost        that name instead of cal.example.test, for programs that cannot be told an address for it
# ISSUER=https://…/realms/x  that provider instead of the tests' own: with deploy/keycloak/kalends-realm.json (for this
#                            SITE_PORT) and tests/sso/accounts.json imported, KALENDS_CLIENT_SECRET,
#                            KALENDS_AUTOMATION_SECRET, and ISSUER_CA=file.pem if its certificate needs one
# Otherwise ACCESS_TOKEN_TTL and SESSION_TTL (seconds) set the provider's lifetimes.
# The provider's people are alice, bob and carol; the password of everybody everywhere is the name and "-secret".
set -eu
. "$(dirname "$0")/../tools/env.sh"
SSO=$ROOT/tests/sso
HOST=${SITE_HOST:-cal.example.test}

certificate() { # NAME: DIR/NAME.pem and DIR/NAME.key, signed by DIR/ca.pem
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=kalends test $1" \
    -CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" -keyout "$DIR/$1.key" -out "$DIR/$1.pem" \
    -addext "subjectAltName=DNS:$HOST,DNS:localhost,IP:127.0.0.1" -addext basicConstraints=critical,CA:FALSE \
    -addext extendedKeyUsage=serverAuth 2> /dev/null
}

certificates() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=kalends test CA" \
    -keyout "$DIR/ca.key" -out "$DIR/ca.pem" -addext keyUsage=critical,keyCertSign,cRLSign 2> /dev/null
  certificate site
  certificate provider
  cp "$DIR/ca.pem" "$DIR/trusted.pem"
  [[ -z ${ISSUER_CA:-} ]] || cat "$ISSUER_CA" >> "$DIR/trusted.pem"
}

native_accounts() {
  local user
  for user in alice bob carol dave erin frank grace heidi ivan judy; do
    printf '%s:%s\n' "$user" "$(openssl passwd -apr1 "$user-secret")"
  done > "$DIR/htpasswd"
}

start_provider() {
  local node
  node=$(compgen -G "$CLIENTS/npm/node_modules/node-linux-*/bin/node" || echo node) # see install.sh
  REALM=$ROOT/deploy/keycloak/kalends-realm.json ACCOUNTS=$SSO/accounts.json MODULES=$CLIENTS/npm/node_modules \
    CERT=$DIR/provider.pem KEY=$DIR/provider.key CA=$DIR/ca.pem PORT=0 \
    setsid "$node" "$SSO/provider.mjs" > "$DIR/provider.out" 2> "$DIR/provider.log" < /dev/null &
  echo $! > "$DIR/provider.pid"
}

provider_answers() {
  wait_until "$PATIENCE" grep -q ^ISSUER= "$DIR/provider.out" || {
    tail -20 "$DIR/provider.log" >&2
    grep -s '^State\|^VmRSS' "/proc/$(cat "$DIR/provider.pid")/status" >&2 || say "its process is gone"
    die "the provider does not answer; load $(cut -d' ' -f1-3 /proc/loadavg), $(sed -n 's/^MemAvailable: *//p' /proc/meminfo) free"
  }
  ISSUER=$(sed -n 's/^ISSUER=//p' "$DIR/provider.out")
}

# Native clients prove only a name, browsers a name and a lasting key: a person may come both ways, and the proxy says which.
start_kalends() {
  KALENDS__SERVER__PUBLIC_URL=$SITE_URL KALENDS__IDENTITY__SECRET=$SECRET KALENDS__IDENTITY__NAME_HEADER=default \
    KALENDS__IDENTITY__SUBJECT_HEADER=default KALENDS__IDENTITY__GROUPS_HEADER=default \
    KALENDS__IDENTITY__AUTH_TYPE_HEADER=default KALENDS__IDENTITY__CREDENTIAL_TYPES=app-password \
    KALENDS__API__LISTEN=unix:$API KALENDS__API__FASTCGI=$CHECK \
    KALENDS__IDENTITY__TRUSTED_UIDS=0,$(id -u),$(id -u nobody),$(id -u www-data 2> /dev/null || id -u nobody) \
    "$ROOT/tests/tools/server.sh" start "$DIR/kalends"
}

write_env() {
  local name
  # shellcheck disable=SC2034 # all of them are read by name, below
  CA=$DIR/trusted.pem SITE_CA=$DIR/trusted.pem CERT=$DIR/site.pem KEY=$DIR/site.key HTPASSWD=$DIR/htpasswd CLIENT_ID=kalends
  # shellcheck disable=SC2034
  CLIENT_SECRET=$KALENDS_CLIENT_SECRET AUTOMATION_SECRET=$KALENDS_AUTOMATION_SECRET PROXY=$1 SITE_HOST=$HOST
  for name in PROXY SITE_HOST SITE_PORT SITE_URL SITE_CA CA CERT KEY HTPASSWD ISSUER CLIENT_ID CLIENT_SECRET \
    AUTOMATION_SECRET SOCKET SECRET API CHECK; do
    printf '%s=%q\n' "$name" "${!name}"
  done > "$DIR/env"
}

stop_all() {
  local proxy
  set +e # a part that is gone keeps no other running
  proxy=$(sed -n 's/^PROXY=//p' "$DIR/env" 2> /dev/null || true)
  [[ ${proxy:-none} == none ]] || "$SSO/$proxy.sh" stop "$DIR"
  [[ ! -e $DIR/provider.pid ]] || stop_pid "$DIR/provider.pid" 5
  "$ROOT/tests/tools/server.sh" stop "$DIR/kalends"
}

start_all() {
  mkdir -p "$DIR"
  chmod 755 "$DIR" # the proxy's workers are somebody else
  export KALENDS_CLIENT_SECRET=${KALENDS_CLIENT_SECRET:-kalends-client-secret}
  export KALENDS_AUTOMATION_SECRET=${KALENDS_AUTOMATION_SECRET:-automation-secret}
  SITE_PORT=${SITE_PORT:-$(free_port)}
  export SITE_URL=https://$HOST:$SITE_PORT
  SECRET=${SECRET:-$(openssl rand -hex 20)}
  # shellcheck disable=SC2034
  SOCKET=${SITE_KALENDS:-$DIR/kalends/kalends.sock}
  # shellcheck disable=SC2034
  API=$DIR/kalends/api.sock CHECK=127.0.0.1:$(free_port)
  trap stop_all EXIT # unless all of it comes up
  certificates
  native_accounts
  [[ -n ${ISSUER:-} ]] || start_provider
  [[ -n ${SITE_KALENDS:-} ]] || start_kalends
  [[ -n ${ISSUER:-} ]] || provider_answers
  write_env "$1"
  [[ $1 == none ]] || "$SSO/$1.sh" start "$DIR"
  trap - EXIT
}

[[ $# -ge 2 ]] || die "usage: site.sh start DIR apache|nginx|none | stop DIR"
mkdir -p "$2"
DIR=$(cd "$2" && pwd)
case $1 in
  start) start_all "${3:?apache, nginx or none}" ;;
  stop) stop_all ;;
  *) die "usage: site.sh start DIR apache|nginx|none | stop DIR" ;;
esac
