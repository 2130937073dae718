# An adapter, one that begins with singular values, and a state, from one model: killed and resumed
# they are the same; applied or merged they say the same; what they are not for is told.
train --steps 40 --lr 1e-2 --out base >/dev/null 2>&1
tr 'a-y' 'b-z' <text >other
tune() {
    train --data other --val-fraction 0.2 --init base/model.safetensors "$@" >/dev/null
}
for way in '--lora 4 --lora-alpha 8 --lr 1e-2' '--pissa 4 --lr 1e-2' '--state-tuning --lr 0.1'; do
    name=$(expr "$way" : '--\([a-z]*\)')
    # shellcheck disable=SC2086
    tune $way --steps 30 --save-every 7 --threads 2 --out "$name" 2>log
    grep -q ' of a frozen model, ' log
    before=$(sed -n 's/^before the first step: validation //p' log)
    awk -F '[:,]' -v before="$before" \
        '/"val_loss": [0-9]/ { sub(/.*"val_loss": /, ""); last = $0 + 0 } END { exit !(last < before) }' \
        "$name/metrics.jsonl" || die "$name: not below $before"
    # shellcheck disable=SC2086
    "$WKV" train ${train_args#--data text} --data other --val-fraction 0.2 --init base/model.safetensors $way \
        --steps 30 --save-every 7 --out cut >/dev/null 2>&1 &
    pid=$!
    sleep 0.1
    kill -9 $pid 2>/dev/null || :
    wait $pid 2>/dev/null || :
    # shellcheck disable=SC2086
    tune $way --steps 30 --save-every 7 --resume --out cut 2>/dev/null
    file=$name/adapter
    option=--adapter
    [ "$name" != state ] || { file=state/state; option=--state; }
    cmp "$file.safetensors" "cut/${file#*/}.safetensors"
    "$WKV" merge base/model.safetensors "$file.safetensors" -o "$name.safetensors" 2>/dev/null
    "$WKV" merge base/model.safetensors "$file.pth" -o "$name.pth" 2>/dev/null
    "$WKV" convert --check "$name.safetensors" "$name.pth" >/dev/null
    say="-p tubujd -n 40 --seed 3 --temperature 0"
    # shellcheck disable=SC2086
    "$WKV" generate base/model.safetensors $option "$file.pth" $say >applied
    # shellcheck disable=SC2086
    "$WKV" generate "$name.pth" $say | cmp - applied
    "$WKV" info "$file.pth" | sed -n 's/^kind *//p'
    rm -r cut
done
ls lora pissa state | grep 'safetensors$\|pth$' | grep -v checkpoint
expect 2 train --init base/model.safetensors --lora 2 --state-tuning --out x
says 'choose one'
expect 2 train --lora 2 --out x
says '--init is missing'
expect 1 train --init base/model.safetensors --lora 2 --lora-targets att.gate --out x
says 'no matrix "att.gate"; it has att.receptance'
expect 1 train --resume --lora 5 --out lora
says 'contradicts'
expect 2 "$WKV" merge base/model.safetensors lora/adapter.pth
says '--out is missing'
expect 1 "$WKV" generate base/model.safetensors --adapter state/state.pth -p x
says 'initial state'
expect 1 "$WKV" merge base/model.safetensors state/state.pth -o x.gguf
says 'no place for initial states'
[ ! -e x ] && [ ! -e x.gguf ]
