#!/bin/sh
# run.sh CHECK.py WKV - runs a check with a Python that has NumPy.  Exit status 77: skipped,
# for there is none.
set -eu
for python in python3 /usr/bin/python3; do
    if "$python" -c 'import numpy' 2>/dev/null; then
        # Small products: threads of their own would only be in each other's way.
        exec env OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 \
            "$python" "$(dirname "$0")/$1" "$2"
    fi
done
echo "skipped: neither python3 nor /usr/bin/python3 has NumPy (Debian: python3-numpy)"
exit 77
