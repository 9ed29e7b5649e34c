#!/bin/bash
# A real Apache in front of kalends that asks no password: everybody is $APACHE_AS (default alice).
# usage: apache.sh start DIR PORT UPSTREAM    UPSTREAM is: http://unix:/path/socket or http://host:port
#        apache.sh stop DIR
set -eu
. "$(dirname "$0")/env.sh"

write_conf() {
  local dir=$1 port=$2 upstream=$3 module
  [[ $upstream != http://unix:* ]] || upstream="${upstream#http://}|http://kalends"
  mkdir -p "$dir"
  {
    for module in mpm_event authz_core headers proxy proxy_http; do
      echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
    done
    [[ $(id -u) != 0 ]] || echo 'User www-data'$'\n''Group www-data'
    cat << CONF
ServerRoot $dir
ServerName localhost
Listen 127.0.0.1:$port
PidFile $dir/apache.pid
DefaultRuntimeDir $dir
ErrorLog $dir/error.log
StartServers 2
ThreadsPerChild 16
MaxRequestWorkers 32
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
AllowEncodedSlashes NoDecode
RequestHeader set X-Forwarded-User ${APACHE_AS:-alice}
RequestHeader unset Connection
ProxyPass / $upstream/ nocanon
CONF
  } > "$dir/apache.conf"
}

case ${1:-} in
  start)
    write_conf "$2" "$3" "$4"
    apache2 -d "$2" -f "$2/apache.conf" -k start
    wait_until "$PATIENCE" curl -s -o /dev/null "http://127.0.0.1:$3/" || die "Apache does not answer, see $2/error.log"
    ;;
  stop) stop_pid "$2/apache.pid" 10 ;;
  *) die "usage: apache.sh start DIR PORT UPSTREAM | stop DIR" ;;
esac
