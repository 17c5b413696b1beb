#!/bin/sh
# test_stubs: the editor stubs are what the program prints, and they name exactly what the host has.
cd "$(dirname "$0")/.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
stubs=lessons/stubs/saffron.d.lua

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }

"$SAFFRON" lab --stubs >"$tmp/now" && cmp -s "$tmp/now" $stubs
say $? "stubs are not stale" "run 'make stubs'"

# The functions of lab, as the host's tables have them and as the stubs do.
sed -n 's/^    { "\([a-z]*\)", lab_[a-z]*, .*/\1/p' engine/host*.c | sort >"$tmp/has"
sed -n 's/^function lab\.\([a-z]*\)(.*/\1/p' $stubs | sort >"$tmp/says"
[ -s "$tmp/has" ] && cmp -s "$tmp/has" "$tmp/says"
say $? "every function of lab has a stub" "$(diff "$tmp/has" "$tmp/says" | grep '^[<>]' | paste -sd ' ' -)"

# The fields of handles, likewise.
{
    sed -n '/^static int tensor_index/,/^}/s/.*strcmp(name, "\([a-z_]*\)").*/tensor \1/p' engine/hosttensor.c
    sed -n 's/^    { "\([a-z]*\)", tensor_[a-z]*, .*/tensor \1/p' engine/host*.c
} >"$tmp/has"
sed -n '/quant_fields\[\] = {/,/^};/p' engine/hostquant.c | tr '{' '\n' |
    sed -n 's/^ *"\([a-z_]*\)".*/quantized \1/p' >>"$tmp/has"
sed -n 's/^function \(tensor\|quantized\):\([a-z_]*\)(.*/\1 \2/p
        s/^\(tensor\|quantized\)\.\([a-z_]*\) = nil/\1 \2/p' $stubs | sort >"$tmp/says"
sort -o "$tmp/has" "$tmp/has"
[ -s "$tmp/has" ] && cmp -s "$tmp/has" "$tmp/says"
say $? "every field of a handle has a stub" "$(diff "$tmp/has" "$tmp/says" | grep '^[<>]' | paste -sd ' ' -)"

# A lesson that reads each name in the stubs: an unknown one is an error.
{
    echo 'return lesson { id = "stubs", title = "x", win = "x", predict { id = "s", ask = "q",'
    echo 'number = { within = "1 %" }, card = { front = "f", back = "b" },'
    echo 'compute = function(lab) local x = lab.values { 1, 2 } local q = lab.quantize(x, { format = "int8" }) local _'
    sed -n 's/^function \(lab\.[a-z]*\)(.*/_ = \1/p' $stubs
    sed -n 's/^function tensor:\([a-z_]*\)(.*/_ = x.\1/p; s/^tensor\.\([a-z_]*\) = nil/_ = x.\1/p' $stubs
    sed -n 's/^function quantized:\([a-z_]*\)(.*/_ = q.\1/p; s/^quantized\.\([a-z_]*\) = nil/_ = q.\1/p' $stubs
    echo 'return { answer = 1 } end, reveal = function() local _'
    sed -n 's/^function \(view\.[a-z]*\)(.*/_ = \1/p; s/^function \([a-z]*\)(.*/_ = \1/p' $stubs
    echo 'return { "r" } end } }'
} >"$tmp/stubs.lua"
said=$("$SAFFRON" check "$tmp/stubs.lua" 2>&1)
say $? "every name in the stubs exists" "$(echo "$said" | head -n 1)"

# luacheck's list of globals.
sed -n 's/^function \([a-z]*\)(.*/\1/p' $stubs | while read -r name; do
    grep -q "\"$name\"" lessons/.luacheckrc || echo "$name"
done >"$tmp/missing"
[ ! -s "$tmp/missing" ]
say $? "luacheck knows every global" "$(paste -sd ' ' - <"$tmp/missing")"
