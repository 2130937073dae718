# Models to measure with: every architecture, the formats that are written, the same bytes
# from the same seed; and what cannot be made is refused.
for arch in rwkv4 rwkv5 rwkv6 rwkv7; do
    "$WKV" random-model "$arch.safetensors" --arch "$arch" --layers 2 --width 64 \
        --head-size 32 --vocab 256 --ffn-sparsity 0.8 2>/dev/null
    "$WKV" info "$arch.safetensors" | grep -q "$arch"
    "$WKV" logits "$arch.safetensors" --ids 1,2,3 | awk '$1 > 100 || $1 < -100 { exit 1 }'
done
for arch in aft-simple aft-local aft-conv aft-full; do
    case $arch in
    aft-simple) reach= ;;
    aft-local) reach='--window 5 --length 9' ;;
    aft-conv) reach='--window 5' ;;
    aft-full) reach='--length 9' ;;
    esac
    # shellcheck disable=SC2086
    "$WKV" random-model "$arch.gguf" --arch "$arch" --layers 2 --width 64 --head-size 32 \
        --vocab 256 $reach --token-shift 2>/dev/null
    "$WKV" info "$arch.gguf" >info
    grep -q '^token shift' info
    "$WKV" logits "$arch.gguf" --ids 1,2,3 2>/dev/null |
        awk '$1 > 100 || $1 < -100 { exit 1 }'
done
grep -qx 'longest text  9 tokens' info
"$WKV" info aft-conv.gguf | grep -qx 'window        5 tokens'
for suffix in gguf pth; do
    "$WKV" random-model "m.$suffix" --layers 2 --width 64 --vocab 256 --dtype f16 2>/dev/null
    "$WKV" logits "m.$suffix" --ids 1,2,3 >"$suffix"
done
near gguf pth # low-rank factors lie the other way: sums come in another order
# In GGUF those of the decay are F32, as llama.cpp's converter has them.
"$WKV" info m.gguf --tensors >tensors
grep -q 'att.a1 *f16' tensors
grep -q 'att.w1 *f32' tensors
"$WKV" info m.pth --tensors | grep -q 'att.w1 *f16'
"$WKV" random-model again.gguf --layers 2 --width 64 --vocab 256 --dtype f16 2>/dev/null
cmp m.gguf again.gguf
"$WKV" random-model other.gguf --layers 2 --width 64 --vocab 256 --dtype f16 --seed 1 2>/dev/null
! cmp -s m.gguf other.gguf
"$WKV" random-model m.gguf --layers 2 --width 64 --vocab 256 --tokenizer bytes 2>/dev/null
"$WKV" info m.gguf | grep -q bytes
# A folder is as large as its weights, and may have a slash behind its name.
expect 0 "$WKV" random-model hf/ --layers 1 --width 64 --vocab 256
says "hf/: $(wc -c <hf/model.safetensors) bytes"
expect 1 "$WKV" random-model m.unknown --layers 2 --width 64
says 'm.unknown'
expect 1 "$WKV" random-model m.gguf --layers 2 --width 65
says 'expected a divisor of the width 65'
expect 2 "$WKV" random-model m.gguf --ffn-sparsity 1
# What an architecture has not is not taken and forgotten.
for option in '--window 5' '--length 9' --token-shift; do
    # shellcheck disable=SC2086
    expect 1 "$WKV" random-model m.gguf --layers 2 --width 64 $option
    name=${option%% *}
    says "${name#--}: rwkv7 has no use for it"
done
expect 1 "$WKV" random-model m.gguf --arch aft-conv --layers 2 --width 64 --length 9
says 'length: aft-conv has no use for it'
