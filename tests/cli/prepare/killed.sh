# Killed at any moment, what has an .idx is whole: the old set or the new one.
text >old.txt
i=0
while [ $i -lt 3000 ]; do
    echo "{\"prompt\":\"question $i\",\"response\":\"answer $i $i $i\"}"
    i=$((i + 1))
done >new.jsonl
"$WKV" prepare -o old old.txt >/dev/null 2>&1
"$WKV" prepare -o new new.jsonl >/dev/null 2>&1
"$WKV" prepare -o set old.txt >/dev/null 2>&1
whole() { # NAME: set is all of it
    for suffix in bin idx mask.bin mask.idx; do
        if [ -e "$1.$suffix" ]; then cmp -s set.$suffix "$1.$suffix"; else [ ! -e set.$suffix ]; fi || return 1
    done
}
for pause in 0 0.001 0.002 0.004 0.006 0.008 0.01 0.012 0.015 0.02 0.03; do
    "$WKV" prepare -o set new.jsonl >/dev/null 2>&1 &
    pid=$!
    sleep $pause
    kill -9 $pid 2>/dev/null || :
    wait $pid 2>/dev/null || :
    [ ! -e set.idx ] || whole old || whole new || die "after $pause s: a set that is neither"
done

# Ctrl-C cleans up; and so does the next run after the kills.
"$WKV" prepare -o set new.jsonl >/dev/null 2>&1
whole new || die 'the last run made something else'
ls | grep tmp && die 'temporary files are left' || :
mkfifo pipe
(cat new.jsonl; sleep 5) >pipe &
"$WKV" prepare -o stopped - <pipe >/dev/null 2>err &
pid=$!
sleep 0.3
kill -INT $pid
status=0
wait $pid || status=$?
[ $status -eq 130 ] || die "status $status after Ctrl-C"
says 'stopped; nothing is written'
ls | grep stopped || :
