# What may include what (README, "Folders"), read from the sources; then each rule is broken once in a tree of its
# own, to show that this test can fail.
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# "file included" for every #include of the four folders under $1; quoted names keep their quote.
includes()
{
    (cd "$1" && grep -HE '^[[:space:]]*#[[:space:]]*include' kernels/* engine/* db/* tutor/* 2>/dev/null) |
        sed -nE 's/^([^:]+\.(c|h|cu|cuh)):[^"<]*["<]([^">]+)(["> ]).*/\1 \4\3/p' | sed 's/ >/ /'
}

# Every breach of a rule in the tree under $1, one a line.
breaches()
{
    includes "$1" | awk -v root="$1" '
    function breach(why) { print $1 ": \"" name "\" " why }
    BEGIN {
        may["kernels"] = "kernels"
        may["db"] = "db"
        may["engine"] = "engine kernels"
        may["tutor"] = "tutor engine db"
    }
    {
        split($1, part, "/"); folder = part[1]
        name = $2; own = sub(/^"/, "", name)
        target = name; sub(/\/.*/, "", target)
        if (own && target == name)
            breach("is not written from the root, as \"folder/name.h\"")
        else if (own && index(" " may[folder] " ", " " target " ") == 0)
            breach("may not be included from " folder "/")
        else if (own && (getline line < (root "/" name)) < 0)
            breach("does not exist")
        if (name ~ /^(n?cursesw?\/)?n?(curses|ncurses|term)\.h$/ && !curses[$1]++ && ++curses_files > 1)
            breach("in a second file: one file knows curses")
        if (name ~ /curses\.h$/ && folder != "tutor")
            breach("outside tutor/")
        if (name ~ /(^|\/)(lua|lauxlib|lualib|luaconf)\.h$/) {
            if (folder != "engine")
                breach("outside engine/")
            else if (!lua[$1]++ && ++lua_files > 3)
                breach("in a fourth file: Lua stays in two or three")
        }
        if (name ~ /(^|\/)sqlite3\.h$/ && folder != "db")
            breach("outside db/")
        if (name ~ /(^|\/)(cuda|cublas|curand|cooperative_groups)[a-zA-Z0-9_]*(\.h|\.hpp|\.cuh)?$/ && $1 !~ /^kernels\/.*\.cuh?$/)
            breach("outside kernels/*.cu")
    }'
}

found=$(breaches .)
if [ -z "$found" ]; then
    echo "ok the include rules hold"
else
    printf '%s\n' "$found" | sed 's/^/not ok the include rules hold: /'
fi
count=$(includes . | wc -l)
if [ "$count" -gt 10 ]; then echo "ok includes were seen"; else echo "not ok includes were seen: only $count"; fi

# plant NAME FILE LINE...: a tree that keeps the rules but for one file; its breach must be found.
plant()
{
    name=$1 file=$2
    shift 2
    rm -rf "$work/tree"
    mkdir -p "$work/tree/kernels" "$work/tree/engine" "$work/tree/db" "$work/tree/tutor"
    for good in kernels/format.h engine/view.h db/store.h tutor/app.h; do echo '#include <stdio.h>' >"$work/tree/$good"; done
    echo '#include <curses.h>' >"$work/tree/tutor/screen.c"
    for n in 1 2 3; do echo '#include <lua.h>' >"$work/tree/engine/host$n.c"; done
    printf '#include "engine/view.h"\n#include "db/store.h"\n' >"$work/tree/tutor/main.c"
    [ -z "$(breaches "$work/tree")" ] || echo "not ok planted: $name: breaches in a good tree: $(breaches "$work/tree")"
    printf '%s\n' "$@" >>"$work/tree/$file"
    found=$(breaches "$work/tree")
    case $found in
    "$file: "*) echo "ok planted: $name" ;;
    *) echo "not ok planted: $name: not found${found:+, but '$found'}" ;;
    esac
}

plant "kernels include engine" kernels/bad.c '#include "engine/view.h"'
plant "db includes engine" db/bad.c '#include "engine/view.h"'
plant "db includes kernels" db/bad.h '  #  include "kernels/format.h"'
plant "engine includes db" engine/bad.c '#include "db/store.h"'
plant "engine includes tutor" engine/bad.c '#include "tutor/app.h"'
plant "tutor includes kernels" tutor/bad.c '#include "kernels/format.h"'
plant "not from the root" engine/bad.c '#include "view.h"'
plant "a header that is not there" engine/bad.c '#include "engine/nowhere.h"'
plant "a second curses file" tutor/window.c '#include <ncursesw/curses.h>'
plant "curses in the engine" engine/bad.c '#include <curses.h>'
plant "Lua outside engine" tutor/bad.c '#include <lua.h>'
plant "a fourth Lua file" engine/more.c '#include <lauxlib.h>'
plant "SQLite outside db" tutor/bad.c '#include <sqlite3.h>'
plant "CUDA in a C file" kernels/bad.c '#include <cuda_runtime.h>'
