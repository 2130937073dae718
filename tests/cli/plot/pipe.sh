# Metrics come from a pipe as well as from a file, whatever their length; what has no end is not read
# to it.
awk 'BEGIN { for (i = 1; i <= 9999; i++) printf "{\"step\": %d, \"loss\": %g}\n", i, 2 + sin(i) }' >file
"$WKV" plot file --title loss -o file.svg
mkfifo pipe
cat file >pipe &
"$WKV" plot pipe --title loss -o pipe.svg
sed 's/pipe/file/' pipe.svg | cmp - file.svg
truncate -s 2G long
expect 1 "$WKV" plot long
says 'wkv plot: long: expected at most 1024 MiB, found more'
mkdir -p folder/metrics.jsonl
expect 1 "$WKV" plot folder
says 'folder/metrics.jsonl: cannot read: Is a directory'
