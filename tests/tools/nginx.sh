#!/bin/bash
# A real nginx in front of kalends: Basic in, X-Forwarded-User out, as the README shows it.
# usage: nginx.sh start DIR PORT UPSTREAM     UPSTREAM is: http://unix:/path/socket or http://host:port
#        nginx.sh stop DIR
# Accounts: $DAV_USERS (default "alice bob carol"), the password of each is its name and "-secret".
# NGINX_REST=unix:/path or host:port: the REST service is there, at the same address.
# NGINX_AS=alice: no password asked, everybody is alice (for desktop clients without a keyring).
set -eu
. "$(dirname "$0")/env.sh"

# The places of the REST service, of which config/ and secret links are for everybody; CalDAV's are a part of them no more.
rest() {
  local head
  head='proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header Authorization "";
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $remote_addr;'
  cat << CONF
    location /api/v1.0/caldav/ { proxy_pass http://kalends; $head proxy_set_header X-Forwarded-User $1; }
    location /api/v1.0/ { proxy_pass http://$NGINX_REST; $head proxy_set_header X-Forwarded-User $1; }
    location = /api/v1.0/config/ { auth_basic off; proxy_pass http://$NGINX_REST; $head proxy_set_header X-Forwarded-User ""; }
    location /ical/ { auth_basic off; access_log off; proxy_pass http://$NGINX_REST; $head proxy_set_header X-Forwarded-User ""; }
CONF
}

write_conf() {
  local dir=$1 port=$2 upstream=$3 user who auth
  mkdir -p "$dir/tmp"
  : > "$dir/htpasswd"
  for user in ${DAV_USERS:-alice bob carol}; do
    printf '%s:%s\n' "$user" "$(openssl passwd -apr1 "$user${DAV_PASSWORD_TAIL--secret}")" >> "$dir/htpasswd"
  done
  # shellcheck disable=SC2016 # $remote_user is nginx's
  who='$remote_user' auth="auth_basic \"${DAV_REALM:-kalends}\"; auth_basic_user_file $dir/htpasswd;"
  [[ -z ${NGINX_AS:-} ]] || who=$NGINX_AS auth=''
  cat > "$dir/nginx.conf" << CONF
$([[ $(id -u) != 0 ]] || echo 'user root;')
worker_processes 1;
daemon on;
pid $dir/nginx.pid;
error_log $dir/error.log info;
events { worker_connections 512; }
http {
  access_log $dir/access.log;
  client_max_body_size 25m;
  client_body_temp_path $dir/tmp/body;
  proxy_temp_path $dir/tmp/proxy;
  fastcgi_temp_path $dir/tmp/fastcgi;
  uwsgi_temp_path $dir/tmp/uwsgi;
  scgi_temp_path $dir/tmp/scgi;
  merge_slashes off;
  upstream kalends { server ${upstream#http://}; keepalive 16; }
  server {
    listen 127.0.0.1:$port;
    $auth
    location / {
      proxy_pass http://kalends;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
      proxy_set_header Authorization "";
      proxy_set_header X-Forwarded-User $who;
      proxy_set_header X-Forwarded-Proto \$scheme;
      proxy_set_header X-Forwarded-For \$remote_addr;
      ${NGINX_EXTRA:-}
    }
$([[ -z ${NGINX_REST:-} ]] || rest "$who")
    # Clients look here before they know that a password is needed.
    location = /.well-known/caldav {
      auth_basic off;
      proxy_pass http://kalends;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
      proxy_set_header Authorization "";
      proxy_set_header X-Forwarded-User "";
      proxy_set_header X-Forwarded-Proto \$scheme;
    }
  }
}
CONF
}

case ${1:-} in
  start)
    write_conf "$2" "$3" "$4"
    nginx -p "$2" -e "$2/error.log" -c "$2/nginx.conf"
    wait_until "$PATIENCE" curl -s -o /dev/null "http://127.0.0.1:$3/" || die "nginx does not answer, see $2/error.log"
    ;;
  stop) stop_pid "$2/nginx.pid" 10 ;;
  *) die "usage: nginx.sh start DIR PORT UPSTREAM | stop DIR" ;;
esac
