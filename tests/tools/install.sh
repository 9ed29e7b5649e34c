#!/bin/bash
# Installs what a fresh Debian machine with Rust lacks; does nothing, and needs no network, where it is all there.
# usage: install.sh run|test|soak|desktop|fuzz
#   run      a C compiler and PostgreSQL's server programs, for `make run`
#   test     also nginx, Apache with mod_auth_openidc, Chromium, fail2ban's filter tool, MariaDB, and the clients, the OpenID
#            provider and the other server of the tests in $KALENDS_CACHE/clients (PyPI and npm, versions pinned)
#   soak     also PgBouncer, for `make soak`
#   desktop  also Thunderbird and Evolution's engine, for `make clients`
#   fuzz     what `run` has, a nightly compiler and cargo-fuzz, for `make fuzz`
# As root it calls apt-get; as anybody else it prints the one command to run and stops.
set -eu
. "$(dirname "$0")/env.sh"

PYPI=(
  caldav==3.6.0 caldav-server-tester==1.7.0 vdirsyncer==0.21.0 vobject==0.9.9
  promql-parser==0.11.0 # reads the expressions of deploy/monitoring
)
# In a place of its own: what it needs must not decide what the clients get.
REST=(schemathesis==4.32.5)
# Another server, from which accounts are imported.
PEERS=(radicale==3.9.0)
NPM=(
  tsdav@2.3.4
  oidc-provider@9.13.3 # the provider of tests/sso; says that it wants Node 22, runs with 20
  playwright-core@1.65.1 # drives the Chromium that Debian has
  @keycloak/keycloak-admin-client@26.7.4 typescript-json-schema@0.68.0 ajv@8.20.0 # what a realm file may say
)

missing=()
# need PACKAGE CHECK...: the Debian package is missing unless the check succeeds.
need() {
  local package=$1
  shift
  "$@" > /dev/null 2>&1 || missing+=("$package")
}

apt_install() {
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $(id -u) != 0 ]]; then
    die "missing: ${missing[*]}
run this once, then try again:
    sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'"
  fi
  say "installing ${missing[*]}"
  local get=(nice apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0) log
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # An old package list is good enough until it fails.
  keep_services_down "${get[@]}" install -y --no-install-recommends "${missing[@]}" > "$log" 2>&1 ||
    { "${get[@]}" update && keep_services_down "${get[@]}" install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1 ||
    { tail -20 "$log" >&2 && die "apt-get could not install ${missing[*]}; all it said is in $log"; }
  rm -f "$log"
}

# Debian starts what it installs; the tests start their own. An administrator's policy-rc.d is left alone.
keep_services_down() {
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
  fi
  "$@"
}

have_new_rust() { printf '1.95\n%s\n' "$(cargo --version 2> /dev/null | cut -d' ' -f2)" | sort -VC; }
have_server_programs() { compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb; }
have_new_node() { [[ $(node --version | sed 's/^v\([0-9]*\).*/\1/') -ge 18 ]]; }

# in_venv NAME PACKAGES CHECK...: these packages (the name of a list) in an environment of their own, unless CHECK finds them there.
in_venv() {
  local venv=$CLIENTS/$1 mark=$CLIENTS/$1/.installed
  local -n packages=$2
  shift 2
  [[ $(cat "$mark" 2> /dev/null) == "${packages[*]}" ]] && "$venv/bin/$1" "${@:2}" > /dev/null 2>&1 && return
  say "installing ${packages[*]}"
  python3 -m venv --clear "$venv"
  nice "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  printf '%s\n' "${packages[*]}" > "$mark"
}

python_clients() { in_venv venv-cli PYPI python -c 'import caldav, vdirsyncer, promql_parser'; }
rest_tester() { in_venv venv-rest REST schemathesis --version; }
peers() { in_venv venv-peers PEERS python -c 'import radicale'; }

# npm has Node itself, for machines whose own is too old for the provider.
node_for_provider() {
  [[ $(node -p 'process.versions.node.split(".")[0]') -ge 20 ]] || NPM+=("node-linux-$(node -p process.arch)@22.23.3")
}

node_clients() {
  node_for_provider
  local mark=$CLIENTS/npm/.installed
  [[ $(cat "$mark" 2> /dev/null) == "${NPM[*]}" ]] && return
  say "installing ${NPM[*]}"
  nice npm install --prefix "$CLIENTS/npm" --no-audit --no-fund --no-save --loglevel=error "${NPM[@]}" > /dev/null
  printf '%s\n' "${NPM[*]}" > "$mark"
}

what=${1:-run}
have_new_rust || die "Rust 1.95 or newer is missing: install it (https://rustup.rs)"
need gcc command -v cc
need libc6-dev test -e /usr/include/stdio.h
need postgresql have_server_programs
if [[ $what == fuzz ]]; then
  need g++ command -v g++
elif [[ $what != run ]]; then
  (cargo fmt --version && cargo clippy --version) > /dev/null 2>&1 ||
    die "rustfmt or clippy is missing: rustup component add rustfmt clippy"
  need nginx-light command -v nginx
  need apache2 command -v apache2
  need libapache2-mod-auth-openidc test -e /usr/lib/apache2/modules/mod_auth_openidc.so
  need chromium command -v chromium
  need fail2ban command -v fail2ban-regex
  need mariadb-server command -v mariadbd
  need systemd command -v systemd-analyze
  need python3 command -v python3
  need python3-venv python3 -c 'import ensurepip, venv'
  need nodejs have_new_node
  need npm command -v npm
  need openssl command -v openssl
  need curl command -v curl
fi
if [[ $what == soak ]]; then
  need pgbouncer command -v pgbouncer
fi
if [[ $what == desktop ]]; then
  [[ -x $SHARED/rig/tb.py ]] || die "the drivers of the desktop clients are in ../shared/rig, which is not beside this clone"
  need thunderbird command -v thunderbird
  need xvfb command -v Xvfb
  need xauth command -v xauth
  need dbus command -v dbus-run-session
  need dbus-x11 command -v dbus-launch
  need imagemagick command -v convert
  need x11-apps command -v xwd
  need evolution-data-server test -x /usr/libexec/evolution-calendar-factory
  need gir1.2-ecal-2.0 /usr/bin/python3 -c 'import gi; gi.require_version("ECal", "2.0")'
  need gir1.2-edataserver-1.2 /usr/bin/python3 -c 'import gi; gi.require_version("EDataServer", "1.2")'
  need python3-gi /usr/bin/python3 -c 'import gi'
fi
apt_install
if [[ $what == fuzz ]]; then
  rustc +nightly --version > /dev/null 2>&1 || rustup toolchain install nightly --profile minimal
  [[ -x $KALENDS_CACHE/tools/bin/cargo-fuzz ]] || nice cargo install --quiet --locked --root "$KALENDS_CACHE/tools" cargo-fuzz@0.13.2
elif [[ $what != run ]]; then
  mkdir -p "$CLIENTS"
  python_clients
  rest_tester
  peers
  node_clients
fi
