# manual.awk: the man page from its text and the program's own help, so that neither can say what the other does not.
#   saffron --help | awk -f tutor/manual.awk - tutor/saffron.1
# In the text a line ".so COMMANDS" or ".so OPTIONS" stands for the rows of the help.

function roff(s) { gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); return s }

# A row of the help: two blanks, what is typed, two blanks or more, what it does.
function row(line,    at)
{
    sub(/^  /, "", line)
    at = match(line, /  +/)
    typed = at ? substr(line, 1, at - 1) : line
    does = at ? substr(line, at + RLENGTH) : ""
    return ".TP\n.B " roff(typed) "\n" roff(does) "\n"
}

FNR == NR && /^  saffron [a-z]/ { sub(/saffron /, ""); commands = commands row($0) }
FNR == NR && /^  -/             { options = options row($0) }
FNR == NR                       { next }
$0 == ".so COMMANDS"            { printf "%s", commands; next }
$0 == ".so OPTIONS"             { printf "%s", options; next }
                                { print }
