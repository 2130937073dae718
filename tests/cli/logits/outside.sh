# The models that an independent program has computed, as it computed them.
need_data tiny-rwkv
for version in 4v0-660K 5v2-730K 6v0-1m 7v0-834K; do
    od -An -v -tf4 -w4 "$DATA/tiny-rwkv/expected-logits-$version.bin" >want
    for how in '' --step; do
        "$WKV" logits "$DATA/tiny-rwkv/tiny-rwkv-$version-FP32.bin" --ids 34,105,110 $how >got
        [ "$(wc -l <got)" -eq 256 ]
        paste want got | awk '{ d = $1 - $2; if (d > 5e-6 || d < -5e-6) { print; bad = 1 } }
                              END { exit bad }' >&2
    done
done
