# The byte tokenizer, both ways, and its options.
printf 'a\000\377\n' >text
"$WKV" tokenize bytes text
"$WKV" tokenize bytes <text
"$WKV" tokenize bytes --count text
"$WKV" tokenize bytes --json text
"$WKV" tokenize bytes --json --count text
"$WKV" tokenize bytes /dev/null
"$WKV" tokenize bytes text | "$WKV" tokenize bytes --decode | cmp - text
echo '104,105, 10' | "$WKV" tokenize bytes -d
head -c 100000 "$WKV" >binary
"$WKV" tokenize bytes binary | "$WKV" tokenize bytes -d | cmp - binary
