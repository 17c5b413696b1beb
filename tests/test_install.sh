# make install into a folder of its own: everything is there, the program finds its data there, and uninstall leaves
# nothing.
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset SAFFRON_DATA
make=${SAFFRON_MAKE:-make B=${SAFFRON_BUILD#"$PWD"/}} # the same B: another one would link anew

verdict() # verdict NAME STATUS WHY
{
    if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "not ok $1: $(echo "$3" | tail -n 3 | tr '\n' ' ')"; fi
}

out=$(eval "$make" install PREFIX=/opt/saffron DESTDIR="$work/stage" 2>&1)
verdict "install ends well" $? "$out"
top=$work/stage/opt/saffron
for file in bin/saffron share/man/man1/saffron.1 share/doc/saffron/LICENSE share/doc/saffron/README.md \
    share/bash-completion/completions/saffron share/zsh/site-functions/_saffron \
    share/fish/vendor_completions.d/saffron.fish; do
    [ -s "$top/$file" ]
    verdict "installed $file" $? "not there"
done
(cd "$SAFFRON_BUILD/data" 2>/dev/null && find lessons -type f | sort) >"$work/built"
(cd "$top/share/saffron" 2>/dev/null && find lessons -type f | sort) >"$work/installed"
missing=$(comm -23 "$work/installed" "$work/built"; find lessons -type f ! -path 'lessons/pictures/*' ! -name '.*' |
    sort | comm -23 - "$work/installed")
[ -z "$missing" ]
verdict "the lessons and their tensors are installed" $? "$missing"

cp "$top/share/man/man1/saffron.1" "$work"
for word in $("$SAFFRON" --help | sed -nE 's/^  (saffron ([a-z]+)|(--[a-z-]+)) .*/\2\3/p'); do
    grep -q "^\.B $(printf '%s' "$word" | sed 's/-/\\\\-/g')" "$work/saffron.1"
    verdict "the man page has $word" $? "not there"
done

# What is installed works by itself: far from the build tree, and through a link.
mkdir -p "$work/elsewhere" "$work/link"
mv "$top" "$work/elsewhere/saffron"
ln -s "$work/elsewhere/saffron/bin/saffron" "$work/link/saffron"
here=$("$SAFFRON" --db "$work/a.db" list 2>&1)
there=$(cd / && "$work/link/saffron" --db "$work/b.db" list 2>&1)
[ "$here" = "$there" ]
verdict "the installed program lists the same lessons" $? "$there"

mkdir -p "$work/stage/opt"
mv "$work/elsewhere/saffron" "$top"
out=$(eval "$make" uninstall PREFIX=/opt/saffron DESTDIR="$work/stage" 2>&1)
left=$(find "$work/stage" -type f)
[ -z "$left" ]
verdict "uninstall leaves nothing" $? "$left"

# Each shell completes from the program's own help.
PATH=$SAFFRON_BUILD:$PATH
completes() # completes SHELL COMMAND: what the shell offers for "saffron --isa s" and so on, if it is here
{
    if ! command -v "$1" >/dev/null; then echo "ok $1 completes # SKIP no $1 here"; return; fi
    out=$($1 $3 -c "$2" 2>&1)
    case $out in *lab*--seed*) true ;; *) false ;; esac
    verdict "$1 completes" $? "$out"
}
completes bash '. tutor/completions/saffron.bash
    COMP_WORDS=(saffron la) COMP_CWORD=1; _saffron; echo ${COMPREPLY[@]}
    COMP_WORDS=(saffron --see) COMP_CWORD=1; _saffron; echo ${COMPREPLY[@]}'
completes fish 'source tutor/completions/saffron.fish; complete -C "saffron la"; complete -C "saffron --see"'
completes zsh 'compdef() { }; _describe() { print -rl -- ${(P)2} }; compadd() { }; _files() { }
    words=(saffron la) CURRENT=2 PREFIX=la; . tutor/completions/_saffron
    words=(saffron --see) CURRENT=2 PREFIX=--see; _saffron' -f
out=$(bash -c '. tutor/completions/saffron.bash
    COMP_WORDS=(saffron --isa s) COMP_CWORD=2; _saffron; echo ${COMPREPLY[@]}' 2>&1)
[ "$out" = scalar ]
verdict "bash completes the choices of an option" $? "$out"
if command -v man >/dev/null; then
    out=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$work/saffron.1" 2>&1 >/dev/null)
    [ -z "$out" ]
    verdict "the man page has no errors" $? "$out"
else
    echo "ok the man page has no errors # SKIP no man here"
fi
