#!/bin/bash
# A kalends of the tests' own: private cluster and Unix socket in one folder, nothing shared with any other.
# usage: server.sh start DIR      the socket is DIR/kalends.sock; logs, configuration and process ids lie beside it
#        server.sh stop DIR
# $KALENDS names the binary; without it the debug build is used, built first if need be.
set -eu
. "$(dirname "$0")/env.sh"

write_conf() {
  cat > "$1/kalends.toml" << CONF
[server]
listen = ["unix:$1/kalends.sock"]
unix_mode = "0666"

[identity]
trusted_uids = [0, $(id -u), $(id -u nobody)] # the workers of an nginx that root started are nobody
email_header = "X-Forwarded-Email"
admins = ["admin"]
email_domain = "example.com"
local_domains = ["example.com"]

[cluster]
data_dir = "$1/cluster"

[monitor]
listen = ""

[limits]
drain_time = "2s"
CONF
}

case ${1:-} in
  start)
    binary=${KALENDS:-}
    if [[ -z $binary ]]; then
      cargo build --quiet --manifest-path "$ROOT/Cargo.toml"
      binary=$CARGO_TARGET_DIR/debug/kalends
    fi
    mkdir -p "$2"
    write_conf "$2"
    setsid "$binary" up --config "$2/kalends.toml" > "$2/kalends.log" 2>&1 < /dev/null &
    echo $! > "$2/kalends.pid"
    wait_until "$PATIENCE" curl -s -o /dev/null --unix-socket "$2/kalends.sock" http://kalends/ || {
      tail -30 "$2/kalends.log" >&2
      die "kalends does not answer"
    }
    ;;
  stop) stop_pid "$2/kalends.pid" 30 ;;
  *) die "usage: server.sh start DIR | stop DIR" ;;
esac
