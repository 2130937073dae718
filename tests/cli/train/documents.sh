# Rows of documents: what does not go together is refused, what a run began with is kept.
train --pack --out pack >/dev/null 2>&1
train --carry --bptt 2 --out carry >/dev/null 2>&1
cmp -s pack/model.safetensors carry/model.safetensors && die 'two ways of making rows, one result'
expect 2 train --pack --carry --out no
says '--pack and --carry are two ways'
expect 2 train --bptt 2 --out no
says '--bptt needs --carry'
grep -q '"carry": true' carry/options.json || die 'options.json does not say --carry'
expect 1 "$WKV" train --resume --out pack --carry
says '--carry contradicts the run that is resumed'

# A run that carries states, cut and resumed on two threads, ends as one that was not.
train --carry --bptt 2 --steps 40 --out whole >/dev/null 2>&1
# shellcheck disable=SC2086
"$WKV" train $train_args --carry --bptt 2 --steps 40 --save-every 3 --out cut >/dev/null 2>&1 &
pid=$!
until [ -f cut/options.json ]; do sleep 0.02; done # from then on there is something to resume
sleep 0.1
kill -9 $pid 2>/dev/null || :
wait $pid 2>/dev/null || :
"$WKV" train --resume --out cut --carry --threads 2 --data text --steps 40 >/dev/null 2>&1
cmp whole/model.safetensors cut/model.safetensors

# Several sources, with weights or without.
head -c 2000 text >other
train --data text:3 --data other:1 --out mixed >/dev/null 2>&1
grep -q 'text:3", ".*other:1"' mixed/options.json || die 'options.json lacks the weights'
"$WKV" train --resume --out mixed --data text:3 --data other:1 >/dev/null 2>&1
expect 1 "$WKV" train --resume --out mixed --data text:3 --data other:2
says 'contradicts the run that is resumed'
expect 1 train --data text:3 --data other --out no
says 'give one to each, or to none'
for weight in 0 -1 nan; do
    expect 2 train --data text:$weight --out no
    says "--data: expected a weight above 0 behind the ':', found '$PWD/text:$weight'"
done
train --data text --data other --out sizes >/dev/null 2>&1

# A set often has the name of the folder that its texts lie in, and is a set all the same.
mkdir books
cp text books/a.txt
"$WKV" prepare --out books 'books/*.txt' >out 2>err
train --data books --out from-set >/dev/null 2>&1
"$WKV" info from-set/model.safetensors >out
grep -qx 'tokenizer     none inside' out || die 'the ids of books.bin were taken for bytes'
grep -q "\"bytes\": $(wc -c <books.bin)" from-set/manifest.json || die 'manifest: not books.bin'
for half in books.bin books.idx; do
    expect 1 train --data $half --out no
    says "$half: one of the two files of a set, and no text; data must be their PREFIX, $PWD/books"
done

# JSON lines are a text to training, which says so.
printf '{"text": "%s"}\n' one two three four five six >lines.jsonl
expect 0 train --data lines.jsonl --out lines
says "lines.jsonl is read as one text, its JSON included; 'wkv prepare' makes documents"
