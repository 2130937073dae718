# Several texts: a line each, as each alone would give it; counts with names and a sum.
printf 'a b' >a
printf 'ccc' >'c "x'
: >empty
"$WKV" tokenize bytes a 'c "x' empty
"$WKV" tokenize bytes --count a 'c "x' empty
"$WKV" tokenize bytes --json a 'c "x'
"$WKV" tokenize bytes --json --count a 'c "x'
printf 'd' | "$WKV" tokenize bytes a - 2>err
[ ! -s err ]
"$WKV" tokenize bytes a 'c "x' | "$WKV" tokenize bytes --decode
echo
echo 100 >ids
echo 101 >more
"$WKV" tokenize bytes --decode ids more
echo
"$WKV" tokenize bytes --count --stats a 'c "x' 2>err
grep -Eq '^6B, 6 ids, [0-9.]+ s, .*B/s$' err || { cat err >&2; die "no statistics"; }
expect 1 "$WKV" tokenize bytes a no/such a
says 'no/such: cannot open'
