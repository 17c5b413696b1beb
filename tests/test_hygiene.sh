# The state of the sources: headers, widths, names, comments on what is public; no path of anybody's machine.
# Each check is run once more on a planted file, to show that it can fail.
cd "$(dirname "$0")/.." || exit 1
root=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

sources() { find kernels engine db tutor tests -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) 2>/dev/null | sort; }
texts() { find kernels engine db tutor tests lessons Makefile README.md .ci .gitignore -type f 2>/dev/null | sort; }

# A file that only a machine of ours has. (The slash is kept apart so that this file does not name one.)
machine_paths() { texts | xargs grep -nIE "(^|[^a-zA-Z0-9_.~])/(home|root|work|Users)""/[a-zA-Z.]" /dev/null; }
long_lines() { sources | xargs grep -nE '^.{121}' /dev/null | cut -c 1-80; }
tabs() { sources | xargs grep -n "$(printf '\t')" /dev/null; }
trailing_blanks() { sources | xargs grep -nE ' +$' /dev/null; }
marks() { sources | xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b' /dev/null; }

# The first line is a comment that names the file.
headers()
{
    for f in $(sources); do
        name=$(basename "$f")
        head -n 1 "$f" | grep -q "^/\* \(${name%.*}\|$name\)\b" || echo "$f: does not begin with '/* $name: ...'"
    done
}

# A name is one file (and its header) in the whole tree.
twice() { sources | sed 's|.*/||' | sort | uniq -d; }

# A prototype in a header stands in a paragraph that has a comment, or the file's first comment speaks of it; a getter
# (only a const struct goes in) may stand alone.
uncommented()
{
    find kernels engine db tutor -name '*.h' 2>/dev/null | sort | xargs awk '
    FNR == 1           { commented = 0; braces = 0; inside = 0; about = "" }
    /^[[:space:]]*$/   { commented = 0 }
    /\/\*/             { commented = 1; inside = 1 }
    inside             { about = about $0 }
    /\*\//             { inside = 0; next }
    inside             { next }
    { before = braces; braces += gsub(/\{/, "{") - gsub(/\}/, "}") }
    before || commented || /^(typedef|static|extern)/ { next }
    /\(const struct [a-z_]+ \*[a-z_]*(, int index)?\);/ { next }
    match($0, /^[a-z][a-zA-Z0-9_ *]*[ *][a-z][a-z0-9_]*\(/) {
        name = substr($0, 1, RLENGTH - 1); sub(/.*[ *]/, "", name)
        if (index(about, name) == 0)
            print FILENAME ":" FNR ": no comment: " $0
    }' /dev/null
}

# check NAME FUNCTION FILE TEXT: nothing to find in the tree, and FUNCTION finds TEXT when it stands in FILE.
check()
{
    found=$($2)
    if [ -z "$found" ]; then
        echo "ok $1"
    else
        printf '%s\n' "$found" | head -n 40 | sed "s|^|not ok $1: |"
    fi
    rm -rf "$work/tree"
    mkdir -p "$work/tree/kernels" "$work/tree/engine" "$work/tree/db" "$work/tree/tutor" "$work/tree/tests"
    cd "$work/tree" || exit 1
    printf '/* view.h: a good file. */\n\n/* What it does. */\nint view_draw(int x);\nint view_size(void);\n' >engine/view.h
    good=$($2)
    printf "$4" >"$3"
    bad=$($2)
    cd "$root" || exit 1
    if [ -z "$good" ] && [ -n "$bad" ]; then
        echo "ok planted: $1"
    else
        echo "not ok planted: $1: a good tree gave '$good', a bad one '$bad'"
    fi
}

check "no path of a machine" machine_paths engine/a.c "/* a.c: x. */\nconst char *path = \"/""home/me\";\n"
check "no line wider than 120" long_lines engine/a.c "/* a.c: $(printf '%130s' x) */\n"
check "no tabs" tabs engine/a.c '/* a.c: x. */\n\tint x;\n'
check "no blanks at line ends" trailing_blanks engine/a.c '/* a.c: x. */ \n'
check "no marks of unfinished work" marks engine/a.c "/* a.c: TO""DO */\n"
check "every file says what it is" headers engine/a.c 'int x;\n'
check "a file name is unique" twice tutor/view.h '/* view.h: again. */\n'
check "public functions carry comments" uncommented engine/a.h '/* a.h: x. */\n\nint a_size(void);\n'

# README.md's list of formats is the table's.
wanted=$(sed -n 's/^ *{*\.name = "\([a-z0-9_-]*\)".*/\1/p' kernels/format.c | tr '\n' ' ' | sed 's/ $//')
listed=$(sed -n '/^    fp32 /,/^$/p' README.md | tr '\n' ' ' | sed 's/  */ /g; s/^ //; s/ $//')
if [ -n "$wanted" ] && [ "$wanted" = "$listed" ]; then
    echo "ok README.md lists the formats"
else
    echo "not ok README.md lists the formats: it has '$listed', the table '$wanted'"
fi
