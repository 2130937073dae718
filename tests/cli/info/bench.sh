# The bench gives numbers above zero, for every case asked for and in their order.
small_model
bench() {
    "$WKV" bench model.safetensors -r 2 -s 0.01 --threads 1 "$@"
}
bench -b 1,3 -p 8 --json >json
for key in memory_bytes_per_s byte_ops_per_s float_ops_per_s tokens_per_s bytes_per_token \
    float_ops_per_token memory_share resident_bytes_end; do
    grep -qE "\"$key\": ([1-9]|0\.0*[1-9])" json || die "$key is not above zero"
done
[ "$(grep -o '"samples": ' json | wc -l)" -eq 3 ] || die "three cases were asked for"
[ "$(grep -oE '"(batch|tokens)": [0-9]*' json | tr -d '\n"')" = \
    'batch: 1tokens: 1batch: 3tokens: 1batch: 1tokens: 8' ] || die "these are not the cases"

one=$(grep -oE '"float_ops_per_token": [0-9]*' json | head -n 1)
[ "$(grep -oF "$one" json | wc -l)" -eq 2 ] || die "a token of a batch computes what one alone does"

bench -b 0 -p 0 --position 1,40 | grep -qE '^decode at 40 +[0-9]'
bench -b 1 -p 0 | grep -q 'run with *1 thread,'

# Threads that share a core do not multiply what it reaches.
bytes_rate() {
    "$WKV" bench model.safetensors -b 1 -p 0 -r 1 -s 0.001 --threads "$1" --json |
        sed 's/.*"byte_ops_per_s": \([0-9.e+]*\).*/\1/'
}
cores=$(nproc)
if [ "$cores" -le 16 ]; then
    echo "$(bytes_rate 1) $(bytes_rate 128)" |
        awk -v cores="$cores" '{ exit !($2 > 0 && $2 < 4 * cores * $1) }' ||
        die "128 threads cannot be so quick"
fi

expect 2 bench -b 1,x
says "--batch: numbers from 0 to 256"
expect 2 bench -b 1, -p 0
says "found '1,'"
expect 2 bench -b 0 -p 0
says "nothing to measure"
# A piece beside the model is measured with it, not passed over.
expect 1 bench -b 1 -p 0 --adapter absent.pth
says "absent.pth"
