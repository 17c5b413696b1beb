#!/bin/sh
# deps.sh: what Saffron is built from, found or installed.
#
#   deps.sh run|test    install what is missing to build (run) or also to test, with this system's package manager
#   deps.sh check       install nothing: one line and exit 2 if something to build with is missing
# OpenBLAS makes dense products and factorizations fast. It comes with the rest where it can be had; alone it is worth
# no call, and a machine without it lacks nothing.
#
# Presence is asked of the compiler, of pkg-config and of the shell, never of the package manager: a library built by
# hand counts, and a machine that has everything makes no package manager call. sudo is used only when not root.
set -u
export LC_ALL=C

# One line for people, then the status of "wrong usage or unreadable input".
fail()
{
    printf 'saffron: %s\n' "$*" >&2
    exit 2
}

# What a need is called by each package manager. One row a need; a row names it as `missing` below does.
#   need      apt               dnf              pacman        apk                          zypper            brew
packages()
{
    cat <<'ROWS'
    compiler  gcc+libc6-dev     gcc+glibc-devel  gcc           gcc+musl-dev+linux-headers   gcc+glibc-devel   gcc
    pkgconfig pkg-config        pkgconf          pkgconf       pkgconf                      pkgconf           pkgconf
    ncursesw  libncurses-dev    ncurses-devel    ncurses       ncurses-dev                  ncurses-devel     ncurses
    lua       liblua5.4-dev     lua-devel        lua54         lua5.4-dev                   lua54-devel       lua
    sqlite3   libsqlite3-dev    sqlite-devel     sqlite        sqlite-dev                   sqlite3-devel     sqlite
    jansson   libjansson-dev    jansson-devel    jansson       jansson-dev                  libjansson-devel  jansson
    utf8proc  libutf8proc-dev   utf8proc-devel   libutf8proc   utf8proc-dev                 utf8proc-devel    utf8proc
    cmocka    libcmocka-dev     libcmocka-devel  cmocka        cmocka-dev                   libcmocka-devel   cmocka
    tmux      tmux              tmux             tmux          tmux                         tmux              tmux
    openblas  libopenblas-dev   openblas-devel   openblas      openblas-dev                 openblas-devel    openblas
ROWS
}

have() { command -v "$1" >/dev/null 2>&1; }

# Is a library there, by any of its pkg-config names? Without pkg-config, look where it would have looked.
have_library()
{
    for name; do
        if have pkg-config; then
            pkg-config --exists "$name" 2>/dev/null && return 0
        else
            have_pc "$name" && return 0
        fi
    done
    return 1
}

have_pc()
{
    default="/usr/local/lib/pkgconfig:/usr/local/share/pkgconfig:/usr/lib/pkgconfig:/usr/lib64/pkgconfig"
    for dir in /usr/lib/*-linux-*/pkgconfig; do default="$default:$dir"; done
    path="${PKG_CONFIG_PATH:-}:${PKG_CONFIG_LIBDIR-$default:/usr/share/pkgconfig}"
    old_ifs=$IFS
    IFS=:
    for dir in $path; do
        if [ -e "$dir/$1.pc" ]; then IFS=$old_ifs; return 0; fi
    done
    IFS=$old_ifs
    return 1
}

# A compiler without the C library's headers (or, on Linux, the kernel's) is half a compiler.
have_compiler()
{
    have "$cc" || return 1
    kernel='#include <linux/seccomp.h>'
    [ "$(uname -s)" = Linux ] || kernel=
    printf '#include <stdio.h>\n#include <math.h>\n%s\n' "$kernel" | $CC -E -x c - >/dev/null 2>&1
}

# The needs of $1 (run or test) that this machine lacks, one a line.
missing()
{
    have_compiler || echo compiler
    have pkg-config || echo pkgconfig
    have_library ncursesw || echo ncursesw
    have_library lua5.4 lua-5.4 lua54 || have_plain_lua || echo lua
    have_library sqlite3 || echo sqlite3
    have_library jansson || echo jansson
    have_library libutf8proc || echo utf8proc
    [ "$1" = test ] || return 0
    have_library cmocka || echo cmocka
    have tmux || echo tmux
}

# Some systems call 5.4 (or newer) just "lua".
have_plain_lua() { have pkg-config && pkg-config --exists 'lua >= 5.4' 2>/dev/null; }

# The names that package manager $1 has for the needs given after it, on one line.
names()
{
    column=$(printf 'apt-get dnf pacman apk zypper brew' | tr ' ' '\n' | grep -nx "$1" | cut -d: -f1)
    shift
    for need; do
        packages | while read -r row apt dnf pacman apk zypper brew; do
            [ "$row" = "$need" ] || continue
            set -- "$apt" "$dnf" "$pacman" "$apk" "$zypper" "$brew"
            shift $((column - 1))
            printf '%s\n' "$1" | tr '+' '\n'
        done
    done | paste -sd ' ' -
}

manager()
{
    for program in apt-get dnf pacman apk zypper brew; do
        if have "$program"; then echo "$program"; return; fi
    done
}

# The command that installs, as a person would type it; the packages follow it.
install_command()
{
    case $1 in
    apt-get) echo "apt-get install -y --no-install-recommends" ;;
    dnf)     echo "dnf install -y" ;;
    pacman)  echo "pacman -S --needed --noconfirm" ;;
    apk)     echo "apk add" ;;
    zypper)  echo "zypper --non-interactive install" ;;
    brew)    echo "brew install" ;;
    esac
}

# The command that renews the package lists: run only after an installation has failed, for lists may be empty or old.
refresh_command()
{
    case $1 in
    apt-get) echo "apt-get update" ;;
    pacman)  echo "pacman -Sy" ;;
    apk)     echo "apk update" ;;
    zypper)  echo "zypper --non-interactive refresh" ;;
    esac
}

# Run the installation of packages $2 by manager $1, its output in $log; once more after a refresh if it fails.
install_packages()
{
    $sudo $(install_command "$1") $2 >"$log" 2>&1 </dev/null && return 0
    refresh=$(refresh_command "$1")
    [ -n "$refresh" ] || return 1
    echo "saffron: the package lists may be old; running: $sudo${sudo:+ }$refresh"
    $sudo $refresh >"$log" 2>&1 </dev/null
    $sudo $(install_command "$1") $2 >"$log" 2>&1 </dev/null
}

# The last thing that the package manager said, for the one line of a failure.
last_words()
{
    words=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1 | cut -c 1-200)
    echo "${words:-it said nothing}"
}

# What is good to have, in a call of its own: its failure is none.
install_optional()
{
    have_library openblas && return
    list=$(names "$1" openblas)
    echo "saffron: installing with $sudo${sudo:+ }$1, if it can be had: $list"
    $sudo $(install_command "$1") $list >"$log" 2>&1 </dev/null || echo "saffron: going on without $list: $(last_words)"
}

goal=${1:-}
case $goal in run|test|check) ;; *) fail "usage: deps.sh run|test|check" ;; esac
CC=${CC:-cc}
cc=${CC%% *}
needs=$(missing "$goal" | paste -sd ' ' -)
[ -n "$needs" ] || exit 0
[ "$goal" != check ] || fail "cannot build without $needs: 'make run' installs what is missing"

manager=$(manager)
[ -n "$manager" ] || fail "cannot install $needs: no apt, dnf, pacman, apk, zypper or brew here; install by hand"
list=$(names "$manager" $needs)
sudo=
if [ "$manager" != brew ] && [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then
        refresh=
        [ "$manager" != apt-get ] || refresh="apt-get update && "
        fail "ask your administrator to run: $refresh$(install_command "$manager") $list"
    fi
    sudo=sudo
fi

echo "saffron: installing with $sudo${sudo:+ }$manager: $list"
log=$(mktemp "${TMPDIR:-/tmp}/saffron-deps.XXXXXX") || fail "cannot write to '${TMPDIR:-/tmp}'"
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
install_packages "$manager" "$list" || fail "$manager cannot install '$list': $(last_words)"
needs=$(missing "$goal" | paste -sd ' ' -)
[ -z "$needs" ] || fail "$manager is done, but $needs cannot be found: is it outside pkg-config's path?"
install_optional "$manager"
