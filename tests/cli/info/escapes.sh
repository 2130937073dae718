# Control characters of names, keys and values stay out of the terminal, and on their line.
# write FILE HEADER NUMBER: a safetensors file of that header and one F32.
write() {
    n=$(printf '%s' "$2" | wc -c)
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((n % 256)))\\$(printf %o $((n / 256)))\\0\\0\\0\\0\\0\\0" >"$1"
    printf '%s' "$2" >>"$1"
    # shellcheck disable=SC2059
    printf "$3" >>"$1"
}
header() {
    printf '%s' '{"__metadata__":{"k\u001b[2J\ney":"v\u001b]0;x\u0007\u009bz"},' \
        '"blocks.0.\u001b[31m\nname\u007f":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
}
clean() {
    tr -d '\n' <"$1" | LC_ALL=C grep -q '[[:cntrl:]]' && die "control characters in $1"
    LC_ALL=C grep -qF "$(printf '\302\233')" "$1" && die "a C1 control character in $1"
    return 0
}
write a "$(header)" '\0\0\0\0'
write b "$(header)" '\0\0\200\077'
expect 1 "$WKV" info a --tensors >out
clean out
clean err
grep -qF "$(printf 'blocks.0.\357\277\275[31m\357\277\275name\357\277\275')" out
grep -qF "$(printf 'k\357\277\275[2J\357\277\275ey      v\357\277\275]0;x\357\277\275\357\277\275z')" out
expect 1 "$WKV" convert --check a b >out
clean out
[ "$(wc -l <out)" -eq 2 ] || die "a name is on two lines"

mkdir folder
printf '%s' '{"weight_map":{"emb.weight":"a/\u001b[31m\nb"}}' >folder/model.safetensors.index.json
expect 1 "$WKV" info folder
clean err
[ "$(wc -l <err)" -eq 1 ] || die "an error is on two lines"
