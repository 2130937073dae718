# What is in a model, for people and for programs; a file that is none is refused.
small_model
"$WKV" info model.safetensors | sed -n '/^architecture/,/^matrices/p'
"$WKV" info model.safetensors --tensors | tr -s ' ' | grep -q '^emb.weight f32 256x32 -0.* to 0.*[0-9]$'
"$WKV" info model.safetensors --json | grep -qF '"architecture": "rwkv7", "layers": 2, "width": 32'
"$WKV" info model.safetensors --json --tensors | grep -qF '{"name": "emb.weight", "dtype": "f32", "shape": [256, 32], "min": -'
echo 'no model' >text
expect 1 "$WKV" info text
says 'text: '
head -c 1000 model.safetensors >short
expect 1 "$WKV" info short
says 'short: '
# A model that lacks something: all of it is named.
"$WKV" info model.safetensors --json | grep -qF '"missing": [], "unused": [], "unknown": []'
"$WKV" random-model five.safetensors --arch rwkv5 --layers 1 --width 32 --head-size 16 --vocab 256 2>/dev/null
"$WKV" info five.safetensors | grep -q '^architecture *rwkv5$'
