# The Makefile's promises, on a tree of two small sources with the real Makefile; and that the real build starts.
cd "$(dirname "$0")/.." || exit 1
root=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset CC CFLAGS LDFLAGS DEV SAN B ARGS PLAIN

verdict() # verdict NAME STATUS WHY
{
    if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "not ok $1: $(echo "$3" | tail -n 3 | tr '\n' ' ')"; fi
}

"$SAFFRON" --version >/dev/null 2>&1
verdict "the program starts" $? "saffron --version failed"

mkdir -p "$work/tutor" "$work/kernels" "$work/lessons/tensors"
cp Makefile "$work"
cp tutor/deps.sh "$work/tutor"
cd "$work" || exit 1
printf '#include <stdio.h>\n#include "kernels/a.h"\nint main(int n, char **v)\n{\n    return printf("A=%%d%%s%%s\\n", A, n > 1 ? v[1] : "", n > 2 ? v[2] : "") < 0;\n}\n' >tutor/main.c
printf '#define A 1\n' >kernels/a.h
printf '#if defined __x86_64__ && !defined __AVX2__\n#error not AVX2\n#endif\nint a_avx2(void);\nint a_avx2(void) { return 1; }\n' >kernels/a_avx2.c
echo 'int b_ref(void); int b_ref(void) { return 2; }' >kernels/b.c
echo 'tensor' >lessons/tensors/t.safetensors

out=$(make 2>&1)
verdict "a build" $? "$out"
[ "$(build/saffron)" = A=1 ]
verdict "the built program runs" $? "$(build/saffron)"
cmp -s lessons/tensors/t.safetensors build/data/lessons/tensors/t.safetensors
verdict "lesson data lies beside the program" $? "no build/data/lessons/tensors/t.safetensors"
out=$(make V=1 2>&1)
[ -z "$(echo "$out" | grep -v 'Nothing to be done')" ]
verdict "a second build does nothing" $? "$out"
out=$(make CFLAGS=-O3 V=1 2>&1)
verdict "instruction-set flags outlive make CFLAGS=" $? "$out"
echo "$out" | grep -q -- '-O2.*-O3 -c -o build/obj/kernels/b.o'
verdict "other CFLAGS build anew, and come last" $? "$out"
make >/dev/null 2>&1
sleep 0.01
printf '#define A 3\n' >kernels/a.h
make >/dev/null 2>&1
[ "$(build/saffron)" = A=3 ]
verdict "a changed header builds what includes it" $? "$(build/saffron)"
rm kernels/b.c
make >/dev/null 2>&1
case $(ar t build/libsaffron.a) in *b.o*) false ;; *a_avx2.o*) true ;; esac
verdict "a deleted source leaves the library" $? "$(ar t build/libsaffron.a)"
out=$(make run </dev/null 2>&1)
[ "$out" = "screen reader? make run PLAIN=1 (remembered)
A=3" ]
verdict "make run says how to have plain mode, then starts" $? "$out"
out=$(make run PLAIN=1 ARGS=quantization </dev/null 2>&1)
[ "$out" = "A=3--plainquantization" ]
verdict "make run PLAIN=1" $? "$out"
out=$(make run PLAIN=0 </dev/null 2>&1)
[ "$out" = "A=3setplain
A=3" ]
verdict "make run PLAIN=0 has screens again" $? "$out"
out=$(PKG_CONFIG_LIBDIR=$work/nowhere PKG_CONFIG_PATH='' make B=other 2>&1)
case $out in *"saffron: cannot build without"*"'make run' installs what is missing"*) true ;; *) false ;; esac
verdict "make without the libraries says what to do" $? "$out"
cd "$root" || exit 1
