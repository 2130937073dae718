# WKV_CPU lowers the instruction set, and says when it cannot.
"$WKV" random-model m.safetensors --layers 1 --width 32 --head-size 8 --vocab 64 2>/dev/null
expect 0 env WKV_CPU=ref "$WKV" logits m.safetensors --ids 1
[ ! -s err ]
expect 0 env WKV_CPU= "$WKV" logits m.safetensors --ids 1
[ ! -s err ]
expect 0 env WKV_CPU=avx1024 "$WKV" logits m.safetensors --ids 1
says "wkv logits: WKV_CPU is 'avx1024', which this processor or program does not have; "
[ "$(grep -c WKV_CPU err)" -eq 1 ]
