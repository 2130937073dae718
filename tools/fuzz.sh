#!/bin/sh
# fuzz.sh SECONDS - runs every libFuzzer target of build/fuzz for that long, from its seeds.
# What it finds interesting is kept in build/fuzz/corpus, so the next run starts from there;
# an input that breaks something is left in build/fuzz and named.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
seeds=$PWD/tests/fuzz/seeds
cd build/fuzz

failed=
for target in tests/fuzz/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target#tests/fuzz/fuzz_}
    mkdir -p "corpus/$name"
    printf '%-24s' "fuzz_$name"
    if "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        "corpus/$name" "$seeds/$name" >"$name.log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: */runs: /p' "$name.log"
    else
        echo "FAILED"
        tail -n 40 "$name.log"
        failed="$failed $name"
    fi
done
if [ -n "$failed" ]; then
    echo "fuzz: failed:$failed"
    exit 1
fi
