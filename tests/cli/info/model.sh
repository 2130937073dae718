# What is in a model, for people and for programs; a file that is none is refused.
small_model
"$WKV" info model.safetensors | sed -n '/^architecture/,/^matrices/p'
"$WKV" info model.safetensors --tensors | tr -s ' ' | grep '^emb.weight f32 256x32$'
"$WKV" info model.safetensors --json | grep -qF '"architecture": "rwkv7", "layers": 2, "width": 32'
"$WKV" info model.safetensors --json --tensors | grep -qF '{"name": "emb.weight", "dtype": "f32", "shape": [256, 32]}'
echo 'no model' >text
expect 1 "$WKV" info text
says 'text: '
head -c 1000 model.safetensors >short
expect 1 "$WKV" info short
says 'short: '
