# The same tokens as ids, as text, and in JSON.
small_model
"$WKV" generate model.safetensors -p 'wkv' -n 40 --seed 9 >text
"$WKV" generate model.safetensors --ids -p '119 107,118' -n 40 --seed 9 >ids
[ "$(wc -w <ids)" -eq 40 ]
"$WKV" tokenize model.safetensors -d ids | cmp - text
"$WKV" generate model.safetensors --ids --echo -p '119 107,118' -n 40 --seed 9 >echoed
[ "$(cat echoed)" = "119 107 118 $(cat ids)" ]
"$WKV" generate model.safetensors --echo -p wkv -n 40 --seed 9 >echoed
[ "$(head -c 3 echoed)" = wkv ]
"$WKV" generate model.safetensors -p wkv -n 40 --seed 9 --json >json
[ "$(sed 's/.*"ids": \[\([^]]*\)\].*/\1/; s/,//g' json)" = "$(cat ids)" ]
grep -q '"prompt_tokens": 3, "tokens": 40, "end": "length"}$' json
expect 1 "$WKV" generate model.safetensors --ids -p '1 256' -n 1
says "id 256 is outside the model's vocabulary of 256"
"$WKV" generate model.safetensors -p wkv -n 40 --seed 9 --stats 2>err | cmp - text
grep -Eq '^read 3 tokens in [0-9.]+ s.*; produced 40 tokens in [0-9.]+ s, [0-9.]+ tokens/s$' err ||
    { cat err >&2; die "no statistics"; }
