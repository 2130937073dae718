#!/bin/sh
# check_layers.sh [ROOT] - do all dependencies point down?
#
# Reads every #include "..." of src, apps, bench and tests against the table below.  A room
# may open itself and what its line names: a whole room ("base/") or one header of it
# ("dev/dev.h").  There is no list of exceptions: whoever needs one moves the code.
set -eu
cd "${1:-$(dirname "$0")/..}"

# shellcheck disable=SC2016
find src apps bench tests -name '*.[ch]' | LC_ALL=C sort | xargs awk '
BEGIN {
    may["base"]  = ""
    may["os"]    = "base/"
    may["kern"]  = "base/ os/os.h"
    may["store"] = "base/ os/"
    may["tok"]   = "base/ os/"
    may["dev"]   = "base/ os/ kern/ store/tensor.h"
    may["arch"]  = "base/ dev/dev.h store/tensor.h store/content.h"
    may["model"] = "base/ os/ store/ tok/ dev/dev.h arch/arch.h arch/adapter.h"
    may["train"] = "base/ os/ store/ tok/ dev/dev.h arch/arch.h arch/adapter.h"
    may["apps"]  = "common/"

    # A test opens the room it mirrors and every one below; those at the border open none.
    below["base"]  = ""
    below["os"]    = "base/"
    below["kern"]  = "base/ os/"
    below["store"] = below["tok"] = "base/ os/"
    below["dev"]   = "base/ os/ kern/ store/"
    below["arch"]  = "base/ os/ kern/ store/ dev/"
    below["model"] = below["train"] = "base/ os/ kern/ store/ tok/ dev/ arch/"
    below["fuzz"] = below["support"] = "base/ os/ store/ tok/ arch/ model/ train/"
    below["public"] = ""
    mirrors["ops"] = "dev"
    mirrors["api"] = mirrors["cli"] = mirrors["install"] = "public"
}
FNR == 1 {
    split(FILENAME, part, "/")
    room = part[1] == "src" ? part[2] : part[1]
    if (room == "tests") {
        room = part[2] == "unit" ? part[3] : part[2]
        if (room in mirrors)
            room = mirrors[room]
        open = below[room] " " room "/ support/"
    } else if (room == "bench") {
        open = below["train"] " train/"
    } else if (!(room in may)) {
        printf "%s: lies in a room that the table does not know\n", FILENAME
        bad++
    } else {
        open = may[room] " " (room == "apps" ? part[2] : room) "/"
    }
    n = split(open, allowed, " ")
}
# Kernels compute: no threads, no files.
FILENAME ~ /^src\/kern\/[^\/]*\// && /^[ \t]*#[ \t]*include[ \t]*<(stdio|pthread|omp|unistd)\.h>/ {
    printf "%s:%d: %s: kernels do not thread, print or read\n", FILENAME, FNR, $0
    bad++
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    name = quoted[2]
    if (name !~ /\//) # a file beside it, or tests/test.h
        next
    ok = 0
    for (i = 1; i <= n; i++)
        if (name == allowed[i] || (allowed[i] ~ /\/$/ && index(name, allowed[i]) == 1))
            ok = 1
    # One model version does not open another: only their shared parts.
    if (room == "arch" && part[1] == "src" && name ~ /^arch\/(rwkv|aft)/) {
        split(name, other, /[\/_.]/)
        if (index(part[3], other[2]) != 1)
            ok = 0
    }
    if (!ok) {
        printf "%s:%d: %s may not open \"%s\"; it may open: %s\n", FILENAME, FNR, room, name, open
        bad++
    }
}
END {
    if (bad) {
        printf "%d violations of the layering\n", bad
        exit 1
    }
}'
