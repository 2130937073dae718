#!/bin/sh
# check_sizes.sh [ROOT] - is everything small enough to be read at a sitting?
#
# A file of more than 600 lines is warned about, one of more than 800 is refused, and so is
# a function of more than 80 lines.  A function is what begins and ends with a brace in the
# first column, as the project's format lays it out.
set -eu
cd "${1:-$(dirname "$0")/..}"

# shellcheck disable=SC2016
find src apps bench tests include -name '*.[ch]' | LC_ALL=C sort | xargs awk '
function finish_file() {
    if (lines > 800) {
        printf "%s: %d lines, more than 800\n", file, lines
        bad++
    } else if (lines > 600) {
        printf "warning: %s: %d lines, more than 600\n", file, lines
    }
}
FNR == 1 { finish_file(); file = FILENAME; start = 0 }
{ lines = FNR }
/^\{/ { start = FNR }
/^\}/ && start {
    if (FNR - start + 1 > 80) {
        printf "%s:%d: a function of %d lines, more than 80\n", FILENAME, start, FNR - start + 1
        bad++
    }
    start = 0
}
END {
    finish_file()
    if (bad)
        exit 1
}'
