# Vocabularies, ids and texts that cannot be.
expect 1 "$WKV" tokenize no/such/file
says 'no/such/file: cannot open: No such file or directory'
echo "1 'a' 2" >v
expect 1 "$WKV" tokenize v
says 'v, line 1: expected a token of 2 bytes, as the line says, found 1'
printf "1 'a' 1\n2 'ab' 2\n" >v
expect 1 sh -c 'printf aabx | "$0" tokenize v >out' "$WKV"
says 'byte 0x78 at offset 3 is not in the vocabulary'
printf aabab | "$WKV" tokenize v
expect 1 sh -c 'echo 1 7 | "$0" tokenize v -d >out' "$WKV"
says 'standard input: item 2: id 7 is not in the vocabulary'
echo 1 2 >good
echo 1 7 >bad
expect 1 "$WKV" tokenize v -d good bad >out
says 'wkv tokenize: bad: item 2: id 7 is not in the vocabulary'
for bad in 1x -3 99999999999 0x3; do
    expect 1 sh -c 'echo 1 "$1" | "$0" tokenize v -d >out' "$WKV" "$bad"
    says 'item 2: expected a token id'
done
expect 1 "$WKV" tokenize bytes no/such/text
says 'no/such/text: cannot open'
head -c 100 /dev/zero >zeros
expect 1 "$WKV" tokenize zeros
