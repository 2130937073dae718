# What a run cannot begin with; an earlier run in the folder is then left as it was.
train --out run >/dev/null 2>&1
cp run/model.safetensors before
expect 1 "$WKV" train --data no/such/text --out run
says 'no/such/text'
cmp run/model.safetensors before
: >empty
expect 1 "$WKV" train --data empty --out run
cmp run/model.safetensors before
: >file
expect 1 train --out file/run
says 'file/run'
expect 2 "$WKV" train --resume --out nothing
says '--data is missing'
printf "1 'a' 1\n2 'ab' 2\n" >v
printf 'ababaxa' >file
expect 1 "$WKV" train --data file --vocab v --out run
says 'file: byte 0x78 at offset 5 is not in the vocabulary'
