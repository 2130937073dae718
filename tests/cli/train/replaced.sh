# A run that begins takes the place of an earlier one in its folder, but removes nothing that it
# reads itself, and nothing that is not of a run.
train --steps 2 --out first >/dev/null 2>&1
cp first/model.safetensors model
kept() { cmp model first/model.safetensors && [ -f first/checkpoint-00000002.safetensors ]; }
expect 1 train --init first/model.safetensors --lora 4 --out first
says "--init $PWD/first/model.safetensors: a run that begins in first removes this file"
kept
ln first/model.safetensors linked
expect 1 train --init linked --out first
says "--init $PWD/linked: "
expect 1 train --init first/checkpoint-00000002.safetensors --vocab bytes --out first
says '--init'
expect 1 train --val first/metrics.jsonl --out first
says '--val'
expect 1 train --data text --data first/metrics.jsonl --out first
says '--data'
kept
# Tokens of another vocabulary are seen before anything is removed.
"$WKV" prepare --out set text >out 2>err
expect 1 train --data set --vocab-size 100 --out first
says 'set: token '
says 'expected 0 to 99'
kept
train --steps 2 --init first/model.safetensors --lora 4 --out second >/dev/null 2>&1
[ -f second/adapter.safetensors ]

mkdir other
cp model other/model.safetensors
expect 1 train --out other
says 'other/model.safetensors is not of a run, for there is no options.json'
cmp model other/model.safetensors
[ "$(ls other)" = model.safetensors ]
train --steps 3 --out second >/dev/null 2>&1
[ ! -e second/adapter.safetensors ] && [ -f second/model.safetensors ]
