#!/bin/sh
# fuzz.sh SECONDS - runs every libFuzzer target of build/fuzz for that long, from its seeds, as
# many at once as there are processors.
# What it finds interesting is kept in build/fuzz/corpus, so the next run starts from there;
# an input that breaks something is left in build/fuzz and named.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
seeds=$PWD/tests/fuzz/seeds
cd build/fuzz

# Leaves what it said in $1.log, and $1.passed if nothing broke.
run() {
    mkdir -p "corpus/$1"
    rm -f "$1.passed"
    "tests/fuzz/fuzz_$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 "corpus/$1" "$seeds/$1" >"$1.log" 2>&1 && touch "$1.passed"
}

report() {
    printf '%-24s' "fuzz_$1"
    if [ -e "$1.passed" ]; then
        sed -n 's/^stat::number_of_executed_units: */runs: /p' "$1.log"
    else
        echo "FAILED"
        tail -n 40 "$1.log"
        failed="$failed $1"
    fi
}

# Waits for those that run, and tells how they ended.
finish() {
    wait
    for name in $running; do
        report "$name"
    done
    running=
    n=0
}

at_once=$(getconf _NPROCESSORS_ONLN)
failed=
running=
n=0
for target in tests/fuzz/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target#tests/fuzz/fuzz_}
    run "$name" &
    running="$running $name"
    n=$((n + 1))
    [ "$n" -lt "$at_once" ] || finish
done
finish
if [ -n "$failed" ]; then
    echo "fuzz: failed:$failed"
    exit 1
fi
