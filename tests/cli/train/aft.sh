# Every variant of AFT, without token shift and with it, is trained, described, converted
# through every format and read again with the same logits; aft-full says where its texts
# end, and keeps to it.
for arch in aft-simple aft-local aft-conv aft-full; do
    for shift in '' -shift; do
        model=$arch$shift
        train --arch "$arch" --window 5 ${shift:+--token-shift} --out "$model" >/dev/null 2>&1
        mv "$model/model.safetensors" "$model.safetensors"
        "$WKV" info "$model.safetensors" --json >info
        grep -qF "\"architecture\": \"$arch\"" info
        grep -qF "\"token_shift\": $([ -n "$shift" ] && echo true || echo false)" info
        "$WKV" logits "$model.safetensors" --ids 5,6,7,8,9,10,11 >want 2>/dev/null
        "$WKV" logits "$model.safetensors" --ids 5,6,7,8,9,10,11 --step >step 2>/dev/null
        from=$model.safetensors
        for format in pth gguf safetensors; do
            "$WKV" convert "$from" "again.$format" >/dev/null 2>&1
            "$WKV" logits "again.$format" --ids 5,6,7,8,9,10,11 >got 2>/dev/null
            cmp want got
            from=again.$format
        done
    done
done
"$WKV" info aft-simple-shift.safetensors | grep -E '^(token shift|wkv.token_shift)'
expect 1 sh -c "'$WKV' info aft-simple.safetensors | grep -E '^(token shift|wkv.token_shift)'"
# 322 and 258 numbers, which are twice as wide in the double build.
state() { "$WKV" info "$1" | sed -n 's/^state *\([0-9]*\) bytes$/\1/p'; }
[ $(($(state aft-simple-shift.safetensors) * 258)) -eq $(($(state aft-simple.safetensors) * 322)) ]
"$WKV" info aft-conv.safetensors | grep -E '^(heads|window|longest)'
"$WKV" info aft-full.safetensors | grep -E '^(heads|window|longest)'

expect 0 "$WKV" generate aft-full.safetensors -p 'abcdef' -n 50 --seed 1 >out
says 'no text can be longer'
says 'aft-full was made for 16 tokens'
expect 1 "$WKV" generate aft-full.safetensors -p '0123456789abcdefg' -n 1
says '17 more after 0 pass that'
expect 1 "$WKV" logits aft-full.safetensors --ids 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17
says 'the text ends here'
expect 1 "$WKV" train --data text --init aft-full.safetensors --ctx 17 --out longer
says 'ctx: 17 tokens'
"$WKV" generate aft-local.safetensors -p 'abcdef' -n 100 --seed 1 >out 2>err
[ ! -s err ] || die 'aft-local has no limit to speak of'
