#!/bin/sh
# python.sh CHECK.py WKV MODULE... - runs a check with a Python that has these modules, $WKV_PYTHON
# first.  Exit status 77: skipped, for there is none.
set -eu
check=$1
wkv=$2
shift 2
imports=$(printf 'import %s;' "$@")
for python in ${WKV_PYTHON:+"$WKV_PYTHON"} python3 /usr/bin/python3; do
    if "$python" -c "$imports" 2>/dev/null; then
        # Small products: threads of their own would only be in each other's way.
        exec env OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=2 PYTHONDONTWRITEBYTECODE=1 \
            HF_HUB_OFFLINE=1 "$python" "$check" "$wkv"
    fi
done
echo "skipped: neither python3 nor /usr/bin/python3 has: $*"
exit 77
