# fish completion for saffron: commands and options come from `saffron --help`.

function __saffron_lessons
    saffron list --json 2>/dev/null | string match -rag '"id": *"([^"]*)"'
end

# "name<tab>what it does" for each row of the help that begins as $argv[1] says.
function __saffron_rows
    saffron --help 2>/dev/null | string replace -rf "^  $argv[1]\\b.*?  +(.*)" '$1'\t'$2'
end

set -l commands (__saffron_rows 'saffron ([a-z]+)' | string replace -r '\t.*' '')
set -l first "not __fish_seen_subcommand_from $commands"

complete -c saffron -n $first -a "(__saffron_rows 'saffron ([a-z]+)')"
complete -c saffron -n $first -a '(__saffron_lessons)' -d lesson
complete -c saffron -n '__fish_seen_subcommand_from read run shot' -f -a '(__saffron_lessons)'
for row in (__saffron_rows '--([a-z-]+)')
    set -l part (string split \t -- $row)
    complete -c saffron -l $part[1] -d $part[2]
end
