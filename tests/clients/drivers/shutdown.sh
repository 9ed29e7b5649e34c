#!/bin/bash
# What SIGTERM leaves behind: nothing.   usage: shutdown.sh DIR      (a folder of tests/tools/server.sh)
set -u
. "$(dirname "$0")/../../tools/env.sh"
passed=0 failed=0
check() {
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok   $name"
  else
    failed=$((failed + 1))
    echo "FAIL $name"
  fi
}
gone() { ! lives "$1"; }
nobody_in() { [[ -z $(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1*" 2> /dev/null) ]]; }

server=$(cat "$1/kalends.pid")
database=$(find "$1/cluster" -name postmaster.pid -exec head -1 {} \;)
check "the private cluster was running" lives "${database:-0}"
began=$SECONDS
"$ROOT/tests/tools/server.sh" stop "$1"
check "kalends ended within ten seconds" test $((SECONDS - began)) -le 10
check "kalends is gone" gone "$server"
check "PostgreSQL is gone" gone "${database:-1}"
check "PostgreSQL was shut down in order" test -z "$(find "$1/cluster" -name postmaster.pid)"
check "no process is left in its folder" nobody_in "$1"
check "the log has no panic" test "$(grep -c 'panicked at' "$1/kalends.log")" = 0
echo "$passed passed, $failed failed"
[[ $failed = 0 ]]
