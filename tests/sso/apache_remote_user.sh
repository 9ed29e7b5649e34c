#!/bin/bash
# deploy/apache/kalends-remote-user.conf with its password file: who has a password is who they are, and nobody else is anybody.
# usage: apache_remote_user.sh DIR      everything lies in DIR; the last line says "N passed, N failed"
set -eu
. "$(dirname "$0")/../tools/env.sh"
SSO=$ROOT/tests/sso
PASSED=0 FAILED=0

# Neither provider nor second kalends is needed for this: any address will do for the one, which nothing here asks.
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
trap '"$SSO/apache.sh" stop "$DIR"; "$SSO/site.sh" stop "$DIR"' EXIT
ISSUER=https://127.0.0.1:1/realms/none "$SSO/site.sh" start "$DIR" none
"$SSO/apache.sh" start "$DIR" kalends-remote-user.conf
# shellcheck disable=SC1091 # written by site.sh
. "$DIR/env"

# ask NAME EXPECTED CURL-ARGUMENTS...: status and challenge, then the principal if there is one.
ask() {
  local name=$1 expected=$2 answer status seen body=()
  shift 2
  # curl 7.88 takes an answer that comes before the end of the body over HTTP/2 for an error, though it is none (RFC 9113 §8.1).
  [[ $expected != 207* ]] || body=(-d "$WHO")
  answer=$(curl -s -i --cacert "$SITE_CA" --resolve "$SITE_HOST:$SITE_PORT:127.0.0.1" -H 'Depth: 0' -H 'Content-Type: application/xml' "${body[@]}" "$@" || true)
  status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<< "$answer")
  seen="$status $(grep -qi '^www-authenticate: Basic' <<< "$answer" && echo Basic)$(
    grep -o '<D:current-user-principal><D:href>[^<]*' <<< "$answer" | sed 's#.*/principals/##; s#/$##')"
  if [[ $seen == "$expected" ]]; then
    PASSED=$((PASSED + 1))
    echo "ok   $name"
  else
    FAILED=$((FAILED + 1))
    echo "FAIL $name: $seen"
  fi
}

WHO='<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'
for base in /dav/ /api/v1.0/caldav/; do
  url=$SITE_URL$base
  for version in --http1.1 --http2; do
    how="${version#--} $base"
    ask "$how: dave is dave" "207 dave" "$version" -X PROPFIND -u dave:dave-secret "$url"
    ask "$how: a wrong password" "401 Basic" "$version" -X PROPFIND -u dave:wrong "$url"
    ask "$how: nobody" "401 Basic" "$version" -X PROPFIND "$url"
    ask "$how: a forged name" "401 Basic" "$version" -X PROPFIND -H "X-Forwarded-User: alice" -H "X-Kalends-Secret: $SECRET" "$url"
    ask "$how: a forged name and another's password" "207 dave" "$version" -X PROPFIND -u dave:dave-secret \
      -H "X-Forwarded-User: alice" -H "X_Forwarded_User: alice" -H "X-Forwarded-Sub: x" "$url"
  done
  ask "$base: Connection strips nothing" "207 dave" --http1.1 -X PROPFIND -u dave:dave-secret \
    -H 'Connection: close, X-Forwarded-User, X-Kalends-Secret' "$url"
  ask "$base: a browser is asked for a password" "401 Basic" -H 'Accept: text/html' "$url"
  ask "$base: a token is no password" "401 Basic" -X PROPFIND -H 'Authorization: Bearer a.b.c' "$url"
  ask "$base: an encoded slash reaches kalends" "400 " -X PROPFIND -u dave:dave-secret "${url}a%2Fb/"
done
ask "/.well-known/caldav without a password" "301 " -X PROPFIND "$SITE_URL/.well-known/caldav"
ask "anything else is shut" "403 " "$SITE_URL/server-status"
ask "TRACE is refused" "405 " -X TRACE -u dave:dave-secret "$SITE_URL/dav/"
echo "$PASSED passed, $FAILED failed"
[[ $FAILED == 0 ]]
