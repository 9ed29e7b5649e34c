#!/bin/bash
# usage: fuzz.sh SECONDS [TARGET...]   fuzzes each target of tests/fuzz/mod.rs (all by default) for so long
#        fuzz.sh keep TARGET...        keeps of what was found the inputs that reach code which no seed has reached
# What is found lies in $KALENDS_CACHE/fuzz. No sanitizer: the crate has no unsafe code, and the targets count memory themselves.
set -eu
. "$(dirname "$0")/env.sh"
what=$1
shift
targets=("$@")
[[ $# -gt 0 ]] || mapfile -t targets < <(sed -n 's/.*Target { name: "\([a-z]*\)".*/\1/p' "$ROOT/tests/fuzz/mod.rs")

cd "$ROOT"
export PATH=$KALENDS_CACHE/tools/bin:$PATH
nice cargo +nightly fuzz build --sanitizer none target
program=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/host: //p')/release/target
for target in "${targets[@]}"; do
  found=$KALENDS_CACHE/fuzz/$target
  seeds=$ROOT/tests/fuzz/$target
  mkdir -p "$found" "$seeds"
  export KALENDS_FUZZ=$target
  if [[ $what == keep ]]; then
    # Of a kibibyte at most: enough to reach almost all.
    small=$(mktemp -d)
    find "$found" -type f -size -2k -exec cp -t "$small" {} +
    nice "$program" -merge=1 -set_cover_merge=1 -use_counters=0 "$seeds" "$small"
    rm -r "$small"
    continue
  fi
  say "$target: $what seconds"
  nice "$program" -max_total_time="$what" -max_len=8192 -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$found/../$target-" "$found" "$seeds" ||
    die "to see it again: KALENDS_FUZZ=$target $program FILE; a smaller one: -minimize_crash=1 -max_total_time=60 FILE"
done
