# manifest.json says what made the run, and each call that worked on it.
text >text
train --steps 40 --save-every 10 --val-fraction 0.2 --seed 18446744073709551615 --out run \
    >/dev/null 2>&1
manifest=run/manifest.json
has() { # PATTERN [TIMES]
    [ "$(grep -c -- "$1" $manifest)" -eq "${2:-1}" ] || { cat $manifest >&2; die "not ${2:-1} times: $1"; }
}
has '^  "seed": "18446744073709551615",$'
has '^    "crc32c": "[0-9a-f]\{8\}",*$' 2
has '^        "path": "/.*/text",$'
has "^        \"bytes\": $(wc -c <text),\$"
has '^        "--save-every",$'
has '^        "wkv": "[0-9.]*",$'
has '^        "compiler": "\(gcc\|clang\) [0-9].*",$'
has '^        "onednn": \("[0-9.]*"\|null\)$'
has '^        "level": "[a-z0-9]*",$'
has '^      "began": "20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z",$'
has '^      "from_step": 0,$'
has '^      "to_step": 40,$'
has '^      "how": "finished"$'

# Another call, which did nothing; one that was killed says neither end nor how.
"$WKV" train --resume --out run >/dev/null 2>&1
has '^      "from_step": 40,$'
has '^      "how": "finished"$' 2
has '^        "--resume",$'

# The data must be those of the run, and the message says which are not.
cp text other
"$WKV" train $train_args --data other --steps 6 --save-every 2 --out two >/dev/null 2>&1
sed 's/wkv_model_open/wkv_model_opem/' text >other
expect 1 "$WKV" train --resume --out two
says '/other is not what the run began with: '
says 'a run can be resumed with its own data only'
! grep -q '/text is not' err
cp text other
cp text held
train --steps 6 --val held --out two >/dev/null 2>&1
echo more >>held
"$WKV" train --resume --out two >/dev/null 2>err
says 'the held-out data are not what the run began with'

echo '{"calls": 1}' >$manifest
expect 1 "$WKV" train --resume --out run
says 'run/manifest.json, line'
