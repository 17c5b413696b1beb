#!/bin/sh
# test_lab_tensors: the asserts of tests/lessons/tensors.lua hold, on the scalar kernels and on the best; one that fails
# is a finding of `saffron check`, which is proved by planting one.
cd "$(dirname "$0")/.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

said=$("$SAFFRON" check tests/lessons/tensors.lua 2>&1)
[ -z "$said" ] && echo "ok tensors do what they say" || { echo "$said"; echo "not ok tensors do what they say: see above"; }

sed 's/is("decode", lab.decode("01111110", "e4m3").value, 448)/is("decode", lab.decode("01111110", "e4m3").value, 449)/' \
    tests/lessons/tensors.lua >"$tmp/planted.lua"
said=$("$SAFFRON" check "$tmp/planted.lua" 2>&1)
case $said in *"decode: 448.0, expected 449"*) echo "ok a wrong one is found" ;; *) echo "not ok a wrong one is found: $said" ;; esac
