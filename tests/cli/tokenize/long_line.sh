# Tokens that lie across the pieces in which a long line is read: the same ids as a
# vocabulary of bytes would give, joined.
awk 'BEGIN { for (i = 1; i < 10; i++) printf "%d '"'%d'"' 1\n", i, i
             print "10 '"'123456789'"' 9"; print "11 '"'12345678912'"' 11" }' >v
awk 'BEGIN { for (i = 0; i < 90000; i++) printf "123456789"; }' >line
"$WKV" tokenize v line | tr ' ' '\n' | sort | uniq -c | tr -s ' '
"$WKV" tokenize v line | "$WKV" tokenize v -d | cmp - line
# Threads change nothing.
"$WKV" tokenize v line --threads 1 >one
"$WKV" tokenize v line --threads 3 | cmp - one
"$WKV" tokenize v --threads 3 <line | cmp - one
