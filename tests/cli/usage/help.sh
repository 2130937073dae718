# Every command has help, on stdout, with its options and examples; and the manual page
# has all of them.
"$WKV" help >overview
grep -q '^Usage: wkv COMMAND' overview
"$WKV" --help | cmp - overview
"$WKV" help help | cmp - overview
"$WKV" help --help | cmp - overview
"$WKV" help --man >man
for command in $(sed -n 's/^  \([a-z-]*\) .*/\1/p' overview); do
    [ "$command" != help ] || continue
    "$WKV" "$command" --help >text
    "$WKV" help "$command" | cmp - text
    grep -q "^Usage: wkv $command \[OPTION\]" text
    grep -q '^Examples:' text
    grep -q "^  wkv $command " text
    grep -q "^\.SS wkv $command " man
    [ "$(awk 'length > 80 && !/^  wkv /' text | wc -l)" -eq 0 ]
    for option in $(sed -n 's/^  *\(-., \)\{0,1\}--\([a-z0-9-]*\).*/\2/p' text); do
        [ "$option" = help ] ||
            grep -qF -- "\\-\\-$(echo "$option" | sed 's/-/\\-/g')" man || die "no --$option in the manual"
    done
done
"$WKV" generate --help | tr -s ' \n' ' ' | grep -qF 'always the most likely token [1]'
"$WKV" train --help | tr -s ' \n' ' ' | grep -qF 'rows in a step [12]'
expect 2 "$WKV" help nothing
