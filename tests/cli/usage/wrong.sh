# What is wrong with a command line is said on stderr, by name, and the exit code is 2.
expect 2 "$WKV"
says 'Usage: wkv COMMAND'
expect 2 "$WKV" help generate extra
says "wkv help: unexpected argument 'extra'"
expect 2 "$WKV" genrate
says "unknown command 'genrate'; did you mean 'generate'?"
expect 2 "$WKV" xyzzy
says "unknown command 'xyzzy'"
expect 2 "$WKV" generate m --temprature 1
says 'unknown option --temprature; did you mean --temperature?'
expect 2 "$WKV" generate m --zzzzzzzz
says 'unknown option --zzzzzzzz'
expect 2 "$WKV" generate m -Q
says 'unknown option -Q'
expect 2 "$WKV" generate
says 'MODEL is missing'
expect 2 "$WKV" generate a b
says "unexpected argument 'b'"
expect 2 "$WKV" generate m -n
says '--tokens needs a value, N'
expect 2 "$WKV" generate m --echo=3
says '--echo takes no value'
expect 2 "$WKV" generate m --stop ''
says '--stop: expected a text, found an empty one'
expect 2 "$WKV" train --steps 10
says '--data is missing'
expect 2 "$WKV" tokenize bytes --decode --count
says 'it goes with none of --count, --json and --stats'
# Options that would do nothing.
expect 2 "$WKV" convert a b --tolerance 0.1
says '--tolerance goes with --check only'
expect 2 "$WKV" convert --check a b --dtype f16
says '--check writes nothing; it goes with none of --format, --dtype and --vocab'
expect 2 "$WKV" quantize a b --calibrate-tokens 100
says '--calibrate-tokens goes with --calibrate only'
