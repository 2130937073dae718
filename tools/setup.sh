#!/bin/sh
# setup.sh [build] [test] [fuzz] [check] [aarch64] - makes sure that everything needed is installed.
#
# Looks for what is missing for each purpose named, says what and why, and installs it with
# apt-get (through sudo where not root).  Where all is there it says nothing and takes a
# few milliseconds.  With a terminal and without CI it asks before it installs.
set -eu

cmake_wanted=3.25
packages=
reasons=

have() { command -v "$1" >/dev/null 2>&1; }

# need PACKAGE REASON: to be installed.
need() {
    packages="$packages $1"
    reasons="$reasons  $1: $2
"
}

# has_library NAME HEADER: pkg-config knows it, or the compiler finds its header.
has_library() {
    pkg-config --exists "$1" 2>/dev/null && return 0
    have "${CC:-cc}" && echo "#include <$2>" | "${CC:-cc}" -E -x c - >/dev/null 2>&1
}

# at_least HAVE WANTED: compares versions.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

look_for_build() {
    if ! have "${CC:-cc}"; then
        need gcc "the C compiler"
        need libc6-dev "the C library's headers"
    fi
    have cmake && cmake_found=$(cmake --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
    at_least "${cmake_found:-0}" $cmake_wanted || need cmake "configures the build (>= $cmake_wanted)"
    have ninja || have make || need ninja-build "runs the build"
    have pkg-config || need pkg-config "finds the libraries"
    pkg-config --exists 'jansson >= 2.12' 2>/dev/null ||
        need libjansson-dev "reads and writes JSON (heads of model files, metrics)"
    pkg-config --exists 'libpcre2-8 >= 10.32' 2>/dev/null ||
        need libpcre2-dev "byte-level BPE vocabularies: words (optional at build time)"
    pkg-config --exists 'libutf8proc >= 2.5' 2>/dev/null ||
        need libutf8proc-dev "byte-level BPE vocabularies: normal form (optional at build time)"
    pkg-config --exists libevent_extra 2>/dev/null ||
        need libevent-dev "serves the page of wkv train --watch (optional at build time)"
    has_library dnnl dnnl.h || need libdnnl-dev "fast dense products (optional at build time)"
}

# Like tests/python.sh, but without importing it, which takes a while.
has_numpy() {
    for python in python3 /usr/bin/python3; do
        "$python" -c 'import importlib.util as u; exit(u.find_spec("numpy") is None)' 2>/dev/null &&
            return 0
    done
    return 1
}

look_for_test() {
    pkg-config --exists cmocka 2>/dev/null || need libcmocka-dev "runs the tests"
    has_numpy || need python3-numpy "models written down a second time, to compare with"
}

look_for_fuzz() {
    have clang || need clang "brings libFuzzer"
    echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' >"$work/fuzz.c"
    (cd "$work" && clang -fsanitize=fuzzer fuzz.c -o fuzz) 2>/dev/null ||
        need libclang-rt-dev "libFuzzer itself"
}

look_for_check() {
    have clang || need clang "the second compiler"
    echo '#include <omp.h>' >"$work/omp.c"
    (cd "$work" && clang -fopenmp omp.c -c) 2>/dev/null || need libomp-dev "oneDNN's OpenMP, for clang"
    have valgrind || need valgrind "looks for errors in memory"
}

look_for_aarch64() {
    if ! have aarch64-linux-gnu-gcc; then
        need gcc-aarch64-linux-gnu "the C compiler for 64-bit ARM"
        need libc6-dev-arm64-cross "the C library for it"
    fi
    have qemu-aarch64 || need qemu-user "runs what it made"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

give_up() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

can_install() {
    have apt-get ||
        give_up "this is no Debian or Ubuntu; install the above (or your system's names for it) and try again."
    [ "$(id -u)" -eq 0 ] || have sudo ||
        give_up "neither root nor sudo; have an administrator run: apt-get install$packages"
}

confirm() {
    if [ "${CI:-}" = true ] || [ ! -t 0 ] || [ ! -t 1 ]; then
        return 0
    fi
    printf 'Install them now with apt-get? [Y/n] '
    read -r answer
    case $answer in
    n* | N*) give_up "nothing was installed." ;;
    esac
}

# The version of a package that apt would install; empty when it knows none.
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9].*\)/\1/p'; }

refuse_old_cmake() {
    case " $packages " in *" cmake "*) ;; *) return 0 ;; esac
    offered=$(candidate cmake)
    at_least "${offered:-0}" $cmake_wanted || give_up "CMake >= $cmake_wanted is needed, but this \
system offers ${offered:-none}${cmake_found:+ (and has $cmake_found)}.  Debian 12 and Ubuntu 24.04 \
have one that is new enough; on older systems put a newer cmake first in PATH and try again."
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    # Lists may be absent (a fresh container) or out of date (an old one).
    for package in $packages; do
        if [ -z "$(candidate "$package")" ]; then
            as_root apt-get update -q
            break
        fi
    done
    refuse_old_cmake
    # What is optional must not stop the rest where the system does not have it.
    for package in libdnnl-dev libpcre2-dev libutf8proc-dev libevent-dev python3-numpy; do
        [ -n "$(candidate $package)" ] || packages=$(echo "$packages" | sed "s/ $package//")
    done
    [ -n "$packages" ] || return 0
    # Splitting the list into words is meant.
    # shellcheck disable=SC2086
    as_root apt-get install -y -q --no-install-recommends $packages ||
        { as_root apt-get update -q &&
            as_root apt-get install -y -q --no-install-recommends $packages; } ||
        give_up "apt-get could not install:$packages"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for purpose in "${@:-build}"; do
    case $purpose in
    build | test | fuzz | check | aarch64) "look_for_$purpose" ;;
    *) give_up "unknown purpose '$purpose': build, test, fuzz, check and aarch64 are known." ;;
    esac
done
[ -n "$packages" ] || exit 0

printf 'Missing:\n%s' "$reasons"
can_install
confirm
install_packages
