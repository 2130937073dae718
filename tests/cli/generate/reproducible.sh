# The same seed gives the same text, another seed another; greedy needs none.
small_model
"$WKV" generate model.safetensors -p 'wkv' -n 80 --seed 5 >a
printf wkv | "$WKV" generate model.safetensors -n 80 --seed 5 | cmp - a
"$WKV" generate model.safetensors -p 'wkv' -n 80 --seed 6 >b
! cmp -s a b
"$WKV" generate model.safetensors -p 'wkv' -n 20 --temperature 0 --seed 1 >a
"$WKV" generate model.safetensors -p 'wkv' -n 20 --top-k 1 --seed 2 | cmp - a
"$WKV" generate model.safetensors -p 'wkv' -n 80 --seed 5 --threads 2 >two
"$WKV" generate model.safetensors -p 'wkv' -n 80 --seed 5 --threads 1 | cmp - two
"$WKV" generate model.safetensors -p 'wkv' -n 0 >empty
[ ! -s empty ]
