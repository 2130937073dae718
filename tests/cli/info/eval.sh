# A text is predicted the better the more a model has learnt; a model does not diverge from
# itself, and does from its rounded form; what score says, eval says.
small_model
"$WKV" eval perplexity model.safetensors text --ctx 64 --threads 1 --json 2>/dev/null >one
"$WKV" eval perplexity model.safetensors text --ctx 64 --threads 2 --json 2>/dev/null | cmp - one
value() { sed -n "s/.*\"$1\": \([-0-9.e]*\).*/\1/p" "$2"; }
awk -v p="$(value perplexity one)" 'BEGIN { exit !(p > 1 && p < 256) }'
# One byte a token: bits per byte are the logarithm of the perplexity.
awk -v p="$(value perplexity one)" -v b="$(value bits_per_byte one)" \
    'BEGIN { d = log(p) / log(2) - b; exit !(d < 1e-6 && d > -1e-6) }'
"$WKV" eval perplexity model.safetensors text --ctx 64 --against model.safetensors --json \
    2>/dev/null >self
[ "$(value kl_mean self)" = 0 ] && [ "$(value kl_99 self)" = 0 ] && [ "$(value same_top self)" = 1 ]
"$WKV" convert model.safetensors half.safetensors --dtype bf16 2>/dev/null
"$WKV" eval perplexity model.safetensors text --ctx 64 --against half.safetensors --json \
    2>/dev/null >half
awk -v k="$(value kl_mean half)" -v q="$(value kl_99 half)" \
    'BEGIN { exit !(k > 0 && k < 0.01 && q > k) }'
"$WKV" eval perplexity model.safetensors text 2>/dev/null | grep -q '^perplexity '
# What goes on is said on a line a second at most, where lines are not replaced.
"$WKV" eval perplexity model.safetensors text --ctx 64 2>err >result
[ "$(wc -l <err)" -lt 100 ]
expect 1 "$WKV" eval perplexity model.safetensors no/such/text
says 'no/such/text'
# A window can be no longer than what the model was made for; a text shorter than the window can.
"$WKV" random-model full.gguf --arch aft-full --layers 1 --width 32 --head-size 32 --vocab 256 \
    --length 9 --tokenizer bytes 2>/dev/null
"$WKV" eval perplexity full.gguf text --ctx 10 2>/dev/null | grep -q 'in windows of 10$'
expect 1 "$WKV" eval perplexity full.gguf text --ctx 11
says '--ctx: expected at most 10, since aft-full was made for 9 tokens, found 11'
printf 'ten bytes.' >ten
"$WKV" eval perplexity full.gguf ten 2>/dev/null | grep -q '^tokens  *9 predicted'
printf a >short
expect 1 "$WKV" eval perplexity model.safetensors short
says 'wkv eval: short: the text has fewer than two tokens'
expect 1 "$WKV" eval perplexity model.safetensors - <short
says 'wkv eval: standard input: the text has fewer than two tokens'
"$WKV" random-model mute.gguf --layers 1 --width 64 --vocab 300 2>/dev/null
expect 1 "$WKV" eval perplexity mute.gguf text
says 'wkv eval: mute.gguf: the model carries no tokenizer; say --vocab FILE'
expect 2 "$WKV" eval nothing model.safetensors text
says "expected perplexity, found 'nothing'"
