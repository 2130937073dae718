#!/bin/sh
# run.sh WKV SOURCE DATA CASE.sh - runs one case of the program's tests.
#
# The case runs with `sh -eu` in an empty folder of its own.  What it prints on standard
# output is compared with CASE.stdout.exact where there is one.  It may use the functions
# of lib.sh; $DATA is the folder of outside data.  Exit status 77: skipped.
set -eu
WKV=$1
SOURCE=$2
DATA=${WKV_TEST_DATA:-$3}
case=$4
export WKV SOURCE DATA
export NO_COLOR=1 LC_ALL=C.UTF-8
work=$(mktemp -d "${TMPDIR:-/tmp}/wkv-cli.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/cwd"
cd "$work/cwd"

status=0
sh -eu -c '. "$1/tests/cli/lib.sh"; . "$2"' sh "$SOURCE" "$case" \
    >"$work/stdout" 2>"$work/stderr" || status=$?
exact=${case%.sh}.stdout.exact
if [ "$status" -eq 0 ] && [ -f "$exact" ] && ! diff -u "$exact" "$work/stdout"; then
    status=1
fi
if [ "$status" -ne 0 ]; then
    echo "exit status $status; the end of its output:"
    tail -n 40 "$work/stdout" "$work/stderr"
fi
exit "$status"
