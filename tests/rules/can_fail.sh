#!/bin/sh
# can_fail.sh TOOLS CC - each check of the house rules refuses a house that breaks its rule.
set -eu
tools=$1 cc=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/src/base" "$root/src/arch" "$root/src/kern/ref" "$root/src/model" \
    "$root/apps/cli" "$root/bench" "$root/tests/api" "$root/include"

# refuses WHAT COMMAND...: the command must fail; the tree is then clean again.
refuses() {
    what=$1
    shift
    if "$@" >"$root/said"; then
        echo "not refused: $what" >&2
        exit 1
    fi
    find "$root" -name '*.c' -delete
    echo "refused: $what"
}
layers() { "$tools/check_layers.sh" "$root"; }
sizes() { "$tools/check_sizes.sh" "$root"; }
put() { printf '%s\n' "$2" >"$root/$1"; }

put src/base/a.c '#include "base/b.h"'
layers
sizes

put src/base/a.c '#include "os/os.h"'
refuses "base opens os" layers
put src/model/a.c '#include "train/trainer.h"'
refuses "model opens train" layers
put src/arch/rwkv9.c '#include "arch/rwkv7.h"'
refuses "one version opens another" layers
put src/arch/rwkv9.c '#include "dev/cpu/cpu.h"'
refuses "arch opens the inside of a device" layers
put src/kern/ref/a.c '#include <pthread.h>'
refuses "a kernel threads" layers
put apps/cli/a.c '#include "base/mem.h"'
refuses "a program opens the house" layers
put tests/api/a.c '  #  include "model/model.h"'
refuses "a test of the border opens the house" layers

yes '/* line */' | head -n 801 >"$root/src/base/a.c"
refuses "a file of 801 lines" sizes
{ printf 'void f(void)\n{\n'; yes '    ;' | head -n 79; echo '}'; } >"$root/src/base/a.c"
refuses "a function of 81 lines" sizes

docs() { "$tools/check_docs.sh" "$root"; }
# shellcheck disable=SC2016
echo 'See `src/base/mem.h` and [this](base.md).' >"$root/README.md"
refuses "a document that names what is not there" docs
rm "$root/README.md"

# A library with one symbol too many, one too few, and one with a foreign name.
cd "$root"
build() {
    "$cc" -c -fPIC a.c -o a.o
    "$cc" -shared a.o -o liba.so
    ar rc liba.a a.o
}
printf 'wkv_a\nwkv_b\n' >list
symbols() { "$tools/check_symbols.sh" liba.so liba.a list; }
put a.c 'void wkv_a(void) {} void wkv_b(void) {}'
build && symbols
put a.c 'void wkv_a(void) {} void wkv_b(void) {} void wkv_c(void) {}'
build && refuses "a symbol that is not listed" symbols
put a.c 'void wkv_a(void) {}'
build && refuses "a listed symbol that is absent" symbols
put a.c 'void wkv_a(void) {} void wkv_b(void) {}
__attribute__((visibility("hidden"))) void helper(void) {}'
build && refuses "a global name without the prefix" symbols
