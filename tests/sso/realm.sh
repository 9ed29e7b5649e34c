#!/bin/bash
# Whether Keycloak would understand the shipped realm, and whether what it says is safe; see realm.mjs.
# usage: realm.sh [FILE]
set -eu
. "$(dirname "$0")/../tools/env.sh"
MODULES=$CLIENTS/npm/node_modules exec node "$ROOT/tests/sso/realm.mjs" "$@"
