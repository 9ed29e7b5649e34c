#!/bin/bash
# A private Apache with the shipped configuration, of which only names, paths and ports are replaced.
# usage: apache.sh start DIR [kalends.conf|kalends-remote-user.conf] [app-passwords]      reads DIR/env (see site.sh) and adds to it
#        apache.sh stop DIR
# Reads SITE_HOST, SITE_PORT, CERT, KEY, CA, ISSUER, CLIENT_ID, CLIENT_SECRET, SOCKET, SECRET, HTPASSWD;
# CHECK (host:port) with app-passwords, which is how it is shipped; otherwise passwords come from a file;
# adds PROXY_CONF and RELOAD. Logs and everything else of it lie in DIR/apache.
set -eu
. "$(dirname "$0")/../tools/env.sh"

MODULES=/usr/lib/apache2/modules
# What is enabled on a Debian machine anyway, and what enabling ssl brings; the rest is what the configuration's first lines say.
LOAD=(mpm_event authn_core authz_core authz_user alias mime env setenvif filter deflate socache_shmcb)

# What apache2.conf and ports.conf are on a Debian machine, for this folder.
write_server() {
  local home=$1/apache module enable
  mkdir -p "$home"
  enable=$(sed -n 's/^# *a2enmod //p' "$ROOT/deploy/apache/$2")
  {
    # shellcheck disable=SC2086 # words
    for module in "${LOAD[@]}" $enable; do
      printf 'LoadModule %s_module %s/mod_%s.so\n' "$module" "$MODULES" "$module"
    done
    # Apache wants its workers to be an ordinary user; only root can make them one.
    [[ $(id -u) != 0 ]] || printf 'User www-data\nGroup www-data\n'
    cat << CONF
ServerRoot $home
ServerName localhost
PidFile $home/httpd.pid
DefaultRuntimeDir $home
Mutex file:$home default
Listen 127.0.0.1:$SITE_PORT https
ErrorLog $home/error.log
LogLevel ${APACHE_LOG_LEVEL:-info}
Define APACHE_LOG_DIR $home
TypesConfig /etc/mime.types
# A site compresses; the virtual host must keep out of it.
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/calendar application/xml
StartServers 1
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
GracefulShutdownTimeout 5
Include $home/kalends.conf
CONF
  } > "$home/httpd.conf"
}

# name NAME VALUE: a sed expression that gives a name of the configuration another value.
name() { printf 's#^Define %s .*#Define %s "%s"#;' "$1" "$1" "$2"; }

write_site() {
  local home=$1/apache shipped=$ROOT/deploy/apache
  cat > "$home/secrets.conf" << CONF
Define KALENDS_SECRET $SECRET
Define KALENDS_CLIENT_SECRET $CLIENT_SECRET
Define KALENDS_PASSPHRASE $(openssl rand -hex 24)
CONF
  chmod 600 "$home/secrets.conf"
  sed "$(name KALENDS_HOST "$SITE_HOST:$SITE_PORT")
    $(name KALENDS_ISSUER "$ISSUER")
    $(name KALENDS_CLIENT "$CLIENT_ID")
    $(name KALENDS_CERTIFICATE "$CERT")
    $(name KALENDS_KEY "$KEY")
    $(name KALENDS_SECRETS "$home/secrets.conf")
    $(name KALENDS_HEADERS "$shipped/kalends-headers.conf")
    $(name KALENDS_UPSTREAM "unix:$SOCKET|http://kalends")
    $(name KALENDS_PASSWORDS "$HTPASSWD")
    $(name KALENDS_AUTHORITIES "$CA")
    $(name KALENDS_CHECK "fcgi://${CHECK:-127.0.0.1:9}/")
    $(name KALENDS_API "unix:${API:-/nonexistent}|http://kalends-api")
    $([[ ${3:-} == app-passwords ]] || echo 's|^#\(Define KALENDS_HTPASSWD\)|\1|')
    s#^\( *OIDCSessionInactivityTimeout\) .*#\1 ${SESSION_IDLE:-3600}#
    s|^\( *\)\#\(SetEnvIf Origin \)|\1\2|
    s#<VirtualHost \*:443>#<VirtualHost *:$SITE_PORT>#" "$shipped/$2" > "$home/kalends.conf"
}

start() {
  local dir=$1 home=$1/apache
  # shellcheck disable=SC1091 # written by site.sh
  . "$dir/env"
  write_server "$dir" "$2"
  write_site "$dir" "$2" "${3:-}"
  apache2 -f "$home/httpd.conf" -t 2> "$home/syntax.log" || { cat "$home/syntax.log" >&2; die "Apache does not like its configuration"; }
  apache2 -f "$home/httpd.conf" -k start
  wait_until "$PATIENCE" curl -s -k -o /dev/null "https://127.0.0.1:$SITE_PORT/" || {
    tail -20 "$home"/*error.log >&2
    die "Apache does not answer"
  }
  {
    printf 'PROXY_CONF=%q\n' "$home/kalends.conf"
    printf 'RELOAD=%q\n' "apache2 -f $home/httpd.conf -k graceful"
  } >> "$dir/env"
}

case ${1:-} in
  start) start "$2" "${3:-kalends.conf}" "${4:-${APACHE_PASSWORDS:-}}" ;;
  stop) stop_pid "$2/apache/httpd.pid" 20 ;;
  *) die "usage: apache.sh start DIR [FILE] | stop DIR" ;;
esac
