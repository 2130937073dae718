# Texts, lines and standard input become sets that training reads.
text >a.txt
head -c 500 a.txt >b.txt
printf '{"text":"one"}\nbad\n{"prompt":"p","response":"r"}\n' >c.jsonl
"$WKV" prepare --out set '[ab].txt' c.jsonl >report 2>err
says 'c.jsonl: line 2 left out: the line is not valid JSON'
grep -q '^documents  *4, and 1 bad lines left out$' report || die "$(cat report)"
grep -q '^sample 3  *User: p\\n\\nAssistant:\[ r\]$' report || die "$(cat report)"
ls set.*
"$WKV" prepare --threads 1 -o one - --input jsonl <c.jsonl >/dev/null 2>&1
"$WKV" prepare --threads 2 -o two c.jsonl >/dev/null 2>&1
for suffix in bin idx mask.bin mask.idx; do
    cmp one.$suffix two.$suffix
done
"$WKV" prepare --json -o set b.txt | grep -o '"documents": [0-9]*, "bad_lines": 0'
ls set.* # without the mask that was there

# What is prepared is what is trained on.
train --data set --vocab bytes --carry --out run >/dev/null 2>&1
train --data one --vocab bytes --pack --ctx 32 --out run >/dev/null 2>&1

expect 2 "$WKV" prepare c.jsonl
says '--out is missing'
mkdir folder
for out in '' folder/; do
    expect 2 "$WKV" prepare -o "$out" c.jsonl
    says "--out: expected how the files' names begin, found '$out'"
    [ ! -e .bin ] && [ -z "$(ls -A folder)" ]
done
expect 1 "$WKV" prepare --out no --strict c.jsonl
says 'c.jsonl: line 2: the line is not valid JSON'
expect 1 "$WKV" prepare --out no nothing.txt
says 'nothing.txt: cannot open'
expect 1 "$WKV" prepare --out no/such/folder c.jsonl
says 'no/such/folder.bin'
echo '[{"text":"x"}]' >list.json
expect 1 "$WKV" prepare --out no list.json
says "one JSON object a line, not a list"
gzip -c <c.jsonl >c.jsonl.gz
expect 1 "$WKV" prepare --out no c.jsonl.gz
says 'c.jsonl.gz: compressed by gzip; unpack it first'
: >empty.jsonl
expect 1 "$WKV" prepare --out no empty.jsonl
says 'no document was read'
ls no.* 2>/dev/null || :
