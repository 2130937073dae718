# A full disk behind stdout is an error; a reader that has seen enough is none to talk of.
[ -c /dev/full ] || exit 77
expect 1 sh -c '"$0" help >/dev/full' "$WKV"
says 'cannot write standard output: No space left on device'
head -c 3000000 /dev/zero >big
expect 1 sh -c '"$0" tokenize bytes big >/dev/full' "$WKV"
says 'cannot write standard output'
"$WKV" tokenize bytes big 2>err | head -c 10 >/dev/null
[ ! -s err ]
