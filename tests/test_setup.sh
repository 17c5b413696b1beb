# Set-up with stand-ins: a private PATH whose compiler, pkg-config and package managers record what they were asked.
# $have holds a file for each thing that this pretended machine has; a stand-in installation fills it.
cd "$(dirname "$0")/.." || exit 1
deps=$PWD/tutor/deps.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bin=$work/bin have=$work/have calls=$work/calls
all="cc pkg-config ncursesw lua5.4 sqlite3 jansson libutf8proc cmocka tmux"

ok() { echo "ok $1"; }
bad() { echo "not ok $1: $2"; }
expect() # expect NAME WANTED GOT
{
    if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "wanted '$2', got '$3'"; fi
}
expect_part() # expect_part NAME PART WHOLE
{
    case $3 in *"$2"*) ok "$1" ;; *) bad "$1" "no '$2' in '$3'" ;; esac
}

stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"$bin/$1"; chmod +x "$bin/$1"; }

# A machine with package manager $1 and user id $2 that has the things after them.
machine()
{
    manager=$1 uid=$2
    shift 2
    rm -rf "$bin" "$have" "$calls"
    mkdir -p "$bin" "$have"
    : >"$calls"
    for tool in sh cat cut grep tail tr paste mktemp rm uname touch; do
        ln -s "$(command -v $tool)" "$bin/$tool"
    done
    stand_in id "echo $uid"
    for thing; do grant "$thing"; done
    [ "$manager" = none ] || stand_in "$manager" "echo \"$manager \$*\" >>$calls; for t in $all; do touch $have/\$t; done
        printf '#!/bin/sh\nexit 0\n' | tee $bin/cc $bin/tmux >/dev/null; cp $work/pkg-config $bin/; chmod +x $bin/cc $bin/tmux"
    for tool in tee cp chmod; do ln -s "$(command -v $tool)" "$bin/$tool"; done
}

# Asked --exists NAME; a range as in 'lua >= 5.4' counts as its name.
cat >"$work/pkg-config" <<SH
#!/bin/sh
name=\${2%% *}
[ -e "$have/\$name" ]
SH
chmod +x "$work/pkg-config"

grant()
{
    touch "$have/$1"
    case $1 in
    cc | tmux) stand_in "$1" "exit 0" ;;
    pkg-config) cp "$work/pkg-config" "$bin/pkg-config" ;;
    esac
}

# Run the set-up on that machine: $out is what it said, $status how it ended, $called what the managers were asked.
setup()
{
    out=$(env -i PATH="$bin" TMPDIR="$work" PKG_CONFIG_LIBDIR="$have" "$bin/sh" "$deps" "$1" 2>&1)
    status=$?
    called=$(grep -v openblas "$calls")
    optional=$(grep openblas "$calls")
}

machine apt-get 0 $all
setup test
expect "nothing missing: no package manager call" "" "$called"
expect "nothing missing: nothing said" "0:" "$status:$out"

machine apt-get 0 cc
setup run
expect "apt as root" "apt-get install -y --no-install-recommends pkg-config libncurses-dev liblua5.4-dev libsqlite3-dev \
libjansson-dev libutf8proc-dev" "$called"
expect "apt as root ends well" 0 "$status"
expect_part "what is installed is said" "installing with apt-get: pkg-config libncurses-dev" "$out"

machine apt-get 0 cc
setup test
expect_part "the tests need cmocka and tmux too" "libutf8proc-dev libcmocka-dev tmux" "$called"

machine apt-get 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc cmocka tmux
setup test
expect "only what is missing" "apt-get install -y --no-install-recommends libjansson-dev" "$called"

# --- OpenBLAS: with the rest, never alone, never a failure
machine apt-get 0 $all
setup run
expect "OpenBLAS alone is worth no call" "" "$optional$called"
machine apt-get 0 cc
setup run
expect "OpenBLAS comes with the rest" "apt-get install -y --no-install-recommends libopenblas-dev" "$optional"
machine apt-get 0 cc openblas
setup run
expect "OpenBLAS that is there is not asked for" "" "$optional"
machine apt-get 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
stand_in apt-get "case \$* in *openblas*) echo 'E: no such package'; exit 100 ;; esac; touch $have/jansson"
setup run
expect "without OpenBLAS it goes on" 0 "$status"
expect_part "and says so" "going on without libopenblas-dev: E: no such package" "$out"

machine apt-get 0
setup run
expect_part "a missing compiler brings the C headers" "gcc libc6-dev" "$called"

machine apt-get 0 pkg-config ncursesw lua5.4 sqlite3 jansson libutf8proc
stand_in cc "exit 1"
setup run
expect_part "a compiler without headers counts as missing" "gcc libc6-dev" "$called"

machine dnf 0 cc
setup run
expect "dnf" "dnf install -y pkgconf ncurses-devel lua-devel sqlite-devel jansson-devel utf8proc-devel" "$called"
machine pacman 0 cc
setup run
expect "pacman" "pacman -S --needed --noconfirm pkgconf ncurses lua54 sqlite jansson libutf8proc" "$called"
machine apk 0 cc
setup run
expect "apk" "apk add pkgconf ncurses-dev lua5.4-dev sqlite-dev jansson-dev utf8proc-dev" "$called"
machine zypper 0 cc
setup run
expect "zypper" "zypper --non-interactive install pkgconf ncurses-devel lua54-devel sqlite3-devel libjansson-devel \
utf8proc-devel" "$called"
machine brew 1000 cc
setup run
expect "brew, never with sudo" "brew install pkgconf ncurses lua sqlite jansson utf8proc" "$called"

machine apt-get 1000 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc openblas
stand_in sudo "echo sudo >>$calls; exec \"\$@\""
setup run
expect "sudo when not root" "sudo apt-get install -y --no-install-recommends libjansson-dev" "$(echo $called)"
expect_part "sudo is announced" "installing with sudo apt-get: libjansson-dev" "$out"

machine apt-get 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
stand_in sudo "echo sudo >>$calls; exec \"\$@\""
setup run
expect "no sudo as root" "apt-get install -y --no-install-recommends libjansson-dev" "$called"

machine apt-get 1000 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
setup run
expect "neither root nor sudo: status" 2 "$status"
expect "neither root nor sudo: no call" "" "$called"
expect "neither root nor sudo: the line" "saffron: ask your administrator to run: apt-get update && \
apt-get install -y --no-install-recommends libjansson-dev" "$out"

machine apt-get 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
stand_in apt-get "echo \"apt-get \$*\" >>$calls; case \$1 in update) touch $work/fresh ;; esac
    if [ -e $work/fresh ]; then touch $have/jansson; else echo 'E: Unable to locate package'; exit 100; fi"
setup run
expect "old lists are renewed, once" "apt-get install -y --no-install-recommends libjansson-dev apt-get update \
apt-get install -y --no-install-recommends libjansson-dev" "$(echo $called)"
expect "after renewing it goes on" 0 "$status"

machine dnf 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
stand_in dnf "printf 'reading\nError: no mirror answers\n\n' >&2; exit 1"
setup run
expect "a failing manager: one line with its reason" \
    "saffron: dnf cannot install 'jansson-devel': Error: no mirror answers" "$(printf '%s\n' "$out" | grep -v installing)"
expect "a failing manager: status" 2 "$status"

machine dnf 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
stand_in dnf "exit 0"
setup run
expect_part "a manager that installs nothing is noticed" "jansson cannot be found" "$out"
expect "and is a failure" 2 "$status"

machine none 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
setup run
expect_part "no manager known" "cannot install jansson: no apt, dnf, pacman, apk, zypper or brew here" "$out"
expect "no manager known: status" 2 "$status"

machine apt-get 0 cc pkg-config ncursesw lua5.4 sqlite3 libutf8proc
setup check
expect "check installs nothing" "" "$called"
expect "check says how to go on" "2:saffron: cannot build without jansson: 'make run' installs what is missing" "$status:$out"

machine apt-get 0 cc ncursesw lua5.4 sqlite3 jansson libutf8proc
for name in ncursesw lua5.4 sqlite3 jansson libutf8proc; do touch "$have/$name.pc"; done
setup run
expect "without pkg-config its files are looked for" \
    "apt-get install -y --no-install-recommends pkg-config" "$called"
