# The curve: axes from the first step to the last, a mark for each validation.
train --val-fraction 0.2 --val-every 4 --plot --out run >summary 2>/dev/null
grep -q '● validation' summary
grep -qE '^ +1 +12$' summary
[ "$(grep -o '●' summary | wc -l)" -ge 2 ]
LC_ALL=C train --val-fraction 0.2 --plot --out run >summary 2>/dev/null
grep -q 'o validation' summary
! grep -q '●' summary
