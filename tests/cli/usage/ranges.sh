# A value out of range is refused with the option's name and what was expected.
wrong() {
    expect 2 "$WKV" "$@"
}
wrong generate m --top-p 2
says "--top-p: expected a number from 0 to 1, found '2'"
wrong generate m --top-p nan
says "--top-p: expected a number from 0 to 1, found 'nan'"
wrong generate m --temperature -1
says '--temperature: expected a number from 0 to 1000'
wrong generate m -n 1.5
says "--tokens: expected a whole number from 0 to 1000000000, found '1.5'"
wrong generate m -n99999999999999999999
says '--tokens: expected a whole number'
wrong generate m --seed -1
says '--seed: expected a whole number from 0 to 18446744073709551615'
wrong generate m --seed=
says '--seed: expected a whole number'
wrong train --arch rwkv9
says '--arch: expected one of rwkv4|rwkv5|rwkv6|rwkv7|aft-simple|'
says "found 'rwkv9'"
wrong train --order rand
says "--order: expected one of random|sequential, found 'rand'"
wrong train --layers 0
says '--layers: expected a whole number from 1 to 4096'
wrong train --beta1 1
says "--beta1: expected a number from 0 on and below 1, found '1'"
wrong train --val-fraction 1
says "--val-fraction: expected a number from 0 on and below 1, found '1'"
wrong convert a b --dtype f64
says "--dtype: expected one of f32|f16|bf16, found 'f64'"
