# A resumed run has the options with which it began; what is said again must agree.
train --out run --lr 0.002 >/dev/null 2>&1
expect 1 "$WKV" train --resume --out run --lr 0.004
says '--lr 0.004 contradicts the run that is resumed, which has 0.002'
expect 1 "$WKV" train --resume --out run --val text
says 'contradicts the run that is resumed, which has none'
"$WKV" train --resume --out run --lr 2e-3 --data text --threads 2 --save-every 7 2>err
expect 1 "$WKV" train --resume --out run --data other
says 'contradicts'
echo '{"lr": "many"}' >run/options.json
expect 1 "$WKV" train --resume --out run
says '"lr" is not a value of --lr'
echo '{"lr": ' >run/options.json
expect 1 "$WKV" train --resume --out run
says 'run/options.json, line'
# Without them it is not known what the checkpoints are of.
rm run/options.json
expect 1 train --resume --out run
says 'run has the checkpoint of step 12 but no options.json'
[ -f run/checkpoint-00000012.safetensors ]
mkdir empty
train --resume --out empty >/dev/null 2>&1
[ -f empty/options.json ]
