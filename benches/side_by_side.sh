#!/bin/bash
# Runs kalends through the workloads of ../shared/bench and prints its table.
# usage: side_by_side.sh [bench.py's options]     e.g. --peers radicale,kalends --only poll,sync0
# SIZES and USERS shrink the data. Everything it writes is in $BENCH_HOME (default: ~/.cache/kalends-bench).
set -eu
. "$(dirname "$0")/../tests/tools/env.sh"
[[ -d $SHARED/bench ]] || { say "no side-by-side benchmark: ../shared/bench is not beside this clone"; exit 0; }
export BENCH_HOME=${BENCH_HOME:-$HOME/.cache/kalends-bench} PEERS=$ROOT/benches
export SIZES=${SIZES:-"100 1000"} USERS=${USERS:-20}
# bench.py writes its results beside itself, so it runs from a copy.
mkdir -p "$BENCH_HOME"
rm -rf "$BENCH_HOME/bench"
cp -r "$SHARED/bench" "$BENCH_HOME/bench"
chmod -R u+w "$BENCH_HOME/bench"
export BENCH=$BENCH_HOME/bench
[[ $# -gt 0 ]] || set -- --peers kalends --no-reference --secs 2 --standard --sizes "${SIZES// /,}"
"$ROOT/benches/kalends.sh" seed
# bench.py names the table's file in its last line.
table=$("$BENCH/bench.py" "$@" | tee /dev/stderr | tail -1)
cat "$table"
