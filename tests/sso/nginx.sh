#!/bin/bash
# A private nginx with the shipped configuration, of which only names, paths and ports are replaced, and its sidecar.
# usage: nginx.sh start DIR [VARIANT]     reads DIR/env (see site.sh) and adds to it
#        nginx.sh stop DIR
# VARIANT (or $NGINX_VARIANT) is what an operator would write into the fourth line to change:
#   shipped       browsers and Bearer by the sidecar, Basic by a password file
#   app-passwords as it is shipped: Basic by kalends' own check, at the socket API
#   credentials   Basic by a credential endpoint (credentials.py)
#   htpasswd      a password file and nothing else: no sidecar is started
#   oauth2-proxy, authelia   the same as `shipped`, with an endpoint of that kind at SIGNIN=host:port, which is not started here
# Adds PROXY_CONF and RELOAD, and CREDENTIALS, the endpoint's socket. Logs and everything else lie in DIR/nginx and DIR/sidecar.
set -eu
. "$(dirname "$0")/../tools/env.sh"

SHIPPED=$ROOT/deploy/nginx
MODULES=/usr/lib/apache2/modules
# What the first lines of kalends-sidecar.conf tell to enable, and what Debian's Apache has anyway.
LOAD=(mpm_event authn_core authz_core authz_user authz_host alias mime dir env setenvif socache_shmcb auth_openidc rewrite headers)

as_worker() { [[ $(id -u) != 0 ]] || printf '%s\n' "$1"; }

# replace FILE: the shipped file with the sed expressions of the standard input; each of them must find something.
replace() {
  local text expression next
  text=$(cat "$SHIPPED/$1")
  while IFS= read -r expression; do
    next=$(sed -E "$expression" <<< "$text")
    [[ $next != "$text" ]] || die "$1 has nothing for: $expression"
    text=$next
  done
  printf '%s\n' "$text"
}

# What nginx.conf is on a Debian machine, of a site that compresses and has its own ideas of charset and headers.
write_server() {
  local home=$1
  cat > "$home/nginx.conf" << CONF
$(as_worker 'user www-data;')
worker_processes 2;
daemon on;
pid $home/nginx.pid;
error_log $home/error.log ${NGINX_LOG_LEVEL:-info};
events { worker_connections 512; }
http {
  access_log $home/access.log;
  client_body_temp_path $home/tmp/body;
  proxy_temp_path $home/tmp/proxy;
  fastcgi_temp_path $home/tmp/fastcgi;
  uwsgi_temp_path $home/tmp/uwsgi;
  scgi_temp_path $home/tmp/scgi;
  gzip on;
  gzip_types text/plain text/calendar text/xml application/xml;
  charset utf-8;
  proxy_set_header X-Forwarded-User root;
  proxy_intercept_errors on;
  include $home/kalends.conf;
}
CONF
}

write_site() {
  local home=$1 signin=$2 browsers=$3 passwords=$4
  cp "$SHIPPED/kalends-headers.conf" "$SHIPPED/kalends-signin.conf" "$home/"
  # shellcheck disable=SC2016 # nginx' variable
  printf 'map "" $kalends_secret { default "%s"; }\n' "$SECRET" > "$home/secret.conf"
  chmod 600 "$home/secret.conf"
  replace kalends.conf > "$home/kalends.conf" << SED
s#^( *server_name ).*;#\1$SITE_HOST localhost 127.0.0.1;#
s#^( *ssl_certificate +)/.*;#\1${CERT:-${SITE_CERT:-}};#
s#^( *ssl_certificate_key +)/.*;#\1${KEY:-${SITE_KEY:-}};#
s#^( *listen )443 #\1127.0.0.1:$SITE_PORT #
/^ *listen \[::\]:443 /d
s#/etc/nginx/kalends/passwords#$HTPASSWD#
s|^( *)\#("https://pages.example.org" )|\1\2|
s#/etc/nginx/kalends/#$home/#
s#unix:/run/kalends/kalends.sock#unix:$SOCKET#
s#unix:/run/kalends/api.sock#unix:${API:-$home/api.sock}#
s#unix:/run/kalends/credentials.sock#unix:$home/api.sock#
s#127.0.0.1:888#$signin#
s#^( *set .kalends_browsers +).*;#\1$browsers; \# here#
s#^( *set .kalends_passwords +).*;#\1$passwords; \# here#
SED
}

# name NAME VALUE: a sed expression that gives a name of the sidecar's configuration another value.
name() { printf 's|^Define %s .*|Define %s "%s"|\n' "$1" "$1" "$2"; }

write_sidecar() {
  local home=$1 signin=$2 module
  mkdir -p "$home"
  {
    for module in "${LOAD[@]}"; do
      printf 'LoadModule %s_module %s/mod_%s.so\n' "$module" "$MODULES" "$module"
    done
    as_worker 'User www-data'
    as_worker 'Group www-data'
    cat << CONF
ServerRoot $home
ServerName localhost
PidFile $home/httpd.pid
DefaultRuntimeDir $home
Mutex file:$home default
ErrorLog $home/error.log
LogLevel ${APACHE_LOG_LEVEL:-info}
Define APACHE_LOG_DIR $home
TypesConfig /etc/mime.types
StartServers 1
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
Include $home/kalends-sidecar.conf
CONF
  } > "$home/httpd.conf"
  printf 'Define KALENDS_CLIENT_SECRET %s\nDefine KALENDS_PASSPHRASE %s\n' "$CLIENT_SECRET" "$(openssl rand -hex 24)" \
    > "$home/secrets.conf"
  chmod 600 "$home/secrets.conf"
  {
    name KALENDS_HOST "$SITE_HOST:$SITE_PORT"
    name KALENDS_ISSUER "$ISSUER"
    name KALENDS_CLIENT "$CLIENT_ID"
    name KALENDS_SECRETS "$home/secrets.conf"
    name KALENDS_AUTHORITIES "$SITE_CA"
    printf 's|127.0.0.1:888|%s|\n' "$signin"
    [[ -z ${SESSION_IDLE:-} ]] || printf 's|^( *OIDCSessionInactivityTimeout) .*|\\1 %s|\n' "$SESSION_IDLE"
  } | replace kalends-sidecar.conf > "$home/kalends-sidecar.conf"
}

start_sidecar() {
  local home=$1 signin=$2
  write_sidecar "$home" "$signin"
  apache2 -f "$home/httpd.conf" -t 2> "$home/syntax.log" || {
    cat "$home/syntax.log" >&2
    die "Apache does not like the sidecar's configuration"
  }
  apache2 -f "$home/httpd.conf" -k start
  wait_until "$PATIENCE" curl -s -o /dev/null "http://$signin/kalends/whoami" || {
    tail -20 "$home"/*error.log >&2
    die "the sidecar does not answer"
  }
}

start_credentials() {
  local home=$1
  setsid python3 "$ROOT/tests/sso/credentials.py" "$home/api.sock" "$HTPASSWD" "$SECRET" > "$home/credentials.log" 2>&1 < /dev/null &
  echo $! > "$home/credentials.pid"
  wait_until "$PATIENCE" test -S "$home/api.sock" || die "the credential endpoint does not answer, see $home/credentials.log"
}

start() {
  local dir=$1 home=$1/nginx variant=$2 browsers=sidecar passwords=htpasswd signin
  # shellcheck disable=SC1091 # written by site.sh
  . "$dir/env"
  signin=${SIGNIN:-127.0.0.1:$(free_port)}
  case $variant in
    shipped) ;;
    credentials) passwords=credentials ;;
    app-passwords) passwords=app-passwords ;;
    htpasswd) browsers=nobody ;;
    oauth2-proxy | authelia) browsers=$variant ;;
    *) die "nginx.sh knows no variant $variant" ;;
  esac
  mkdir -p "$home/tmp"
  write_server "$home"
  write_site "$home" "$signin" "$browsers" "$passwords"
  [[ $passwords != credentials ]] || start_credentials "$home"
  [[ $browsers != sidecar ]] || start_sidecar "$dir/sidecar" "$signin"
  nginx -p "$home" -e "$home/error.log" -c "$home/nginx.conf" || die "nginx does not like its configuration"
  wait_until "$PATIENCE" curl -s -k -o /dev/null "https://127.0.0.1:$SITE_PORT/" || {
    tail -20 "$home/error.log" >&2
    die "nginx does not answer"
  }
  {
    printf 'PROXY_CONF=%q\n' "$home/kalends.conf"
    printf 'RELOAD=%q\n' "nginx -p $home -e $home/error.log -c $home/nginx.conf -s reload"
    printf 'CREDENTIALS=%q\n' "$home/api.sock"
    printf 'VARIANT=%q\n' "$variant"
  } >> "$dir/env"
}

case ${1:-} in
  start) start "$2" "${3:-${NGINX_VARIANT:-shipped}}" ;;
  stop)
    stop_pid "$2/nginx/nginx.pid" 10
    stop_pid "$2/nginx/credentials.pid" 5
    stop_pid "$2/sidecar/httpd.pid" 20
    ;;
  *) die "usage: nginx.sh start DIR [VARIANT] | stop DIR" ;;
esac
