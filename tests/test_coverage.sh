#!/bin/sh
# test_coverage.sh: every sentence of the source lesson went somewhere that exists.
# Reads tests/seed-coverage.txt (its head says the form) beside the lesson's document.
document=${SAFFRON_BUILD:-build}/data/lessons/quantization.json
[ -f "$document" ] || { echo "not ok coverage: no '$document', run make first"; exit 1; }

# The document's items, one a line: "step weigh", "card chats", "dive awq-salient", "link awq", "lesson title".
items()
{
    awk '
    { text = text $0 "\n" }
    function item(    kind) {
        kind = section == "steps" ? "step" : section == "dives" ? "dive" : section == "links" ? "link" : ""
        if (kind != "") print kind, (kind == "link" ? at["lesson"] : at["id"])
        if (kind == "step" && ("card" in at)) print "card", at["id"]
        split("", at)
    }
    END {
        n = length(text)
        for (i = 1; i <= n; i++) {
            c = substr(text, i, 1)
            if (c == "\"") {
                for (j = i + 1; (d = substr(text, j, 1)) != "\""; j++) if (d == "\\") j++
                word = substr(text, i + 1, j - i - 1)
                i = j
                if (substr(text, i + 1) ~ /^ *:/ && depth == 1) { section = word; print "lesson", word }
                else if (substr(text, i + 1, 4) ~ /^ *:/ && depth == 3) { key = word; at[key] = "" }
                else if (depth == 3) at[key] = word
            } else if (c == "{" || c == "[") depth++
            else if (c == "}" || c == "]") { if (depth == 3 && c == "}") item(); depth-- }
        }
    }' "$1"
}

items "$document" | awk -F ' *[|] *' -v list=tests/seed-coverage.txt '
function bad(why) { print "not ok coverage: " list ":" row ": " why; failed = 1 }
function check(target,    t) {
    if (target == "omit") { if ($4 == "") bad("omitted without a reason"); return }
    if (split(target, t, ":") != 2) { bad("cannot read " target); return }
    if (t[1] == "fixed") t[1] = "step"
    if (!((t[1] " " t[2]) in known)) bad("the lesson has no " t[1] " " t[2])
}
{ known[$0] = 1 }
END {
    while ((getline < list) > 0) {
        row++
        if ($0 ~ /^#/ || $0 == "") continue
        if ($1 != ++lines) bad("expected number " lines ", got " $1)
        if (split($2, words, " ") > 4) bad("more than four words of the source")
        n = split($3, targets, " ")
        if (n == 0) bad("no target")
        for (k = 1; k <= n; k++) check(targets[k])
    }
    if (lines < 90) bad("only " lines + 0 " sentences")
    if (!failed) print "ok coverage"
    exit failed
}'
