# fish completion for saffron

function __saffron_lessons
    saffron list --json 2>/dev/null | string match -rag '"id": *"([^"]*)"'
end

set -l commands read list run recall ask stats doctor set check kv lab shot
set -l first "not __fish_seen_subcommand_from $commands"

complete -c saffron -n $first -a read -d 'print a lesson as prose'
complete -c saffron -n $first -a list -d 'the lessons with your progress'
complete -c saffron -n $first -a run -d 'compute a step again'
complete -c saffron -n $first -a recall -d 'the cards that are due'
complete -c saffron -n $first -a ask -d 'search the deep dives'
complete -c saffron -n $first -a stats -d 'your calibration'
complete -c saffron -n $first -a doctor -d 'what this machine has and lacks'
complete -c saffron -n $first -a set -d 'show or change a setting'
complete -c saffron -n $first -a check -d 'check lessons and run them'
complete -c saffron -n $first -a kv -d 'the size of a key and value cache'
complete -c saffron -n $first -a lab -d 'the process that computes'
complete -c saffron -n $first -a shot -d 'a picture of a screen'
complete -c saffron -n $first -a '(__saffron_lessons)' -d lesson

complete -c saffron -n '__fish_seen_subcommand_from read run shot' -f -a '(__saffron_lessons)'
complete -c saffron -n '__fish_seen_subcommand_from list stats doctor run kv' -l json
complete -c saffron -n '__fish_seen_subcommand_from run' -l knob -x -d 'NAME=VALUE'
complete -c saffron -n '__fish_seen_subcommand_from shot' -s o -r
complete -c saffron -n '__fish_seen_subcommand_from kv' -l kv-format -x
complete -c saffron -n '__fish_seen_subcommand_from kv' -l context -x
complete -c saffron -n '__fish_seen_subcommand_from kv' -l sequences -x
complete -c saffron -n '__fish_seen_subcommand_from set' -f -a 'theme retention plain'

complete -c saffron -l plain -d 'lines instead of a screen'
complete -c saffron -l db -r -d 'keep the progress in FILE'
complete -c saffron -l lab -x -a '(__fish_complete_command)' -d 'start the lab with COMMAND'
complete -c saffron -l device -x -a 'auto cpu cuda'
complete -c saffron -l isa -x -a 'scalar avx2 avx512 neon'
complete -c saffron -l threads -x
complete -c saffron -l seed -x -d 'fix the randomness'
complete -c saffron -l color -x -a 'auto always never'
complete -c saffron -l ascii -d 'ASCII glyphs only'
complete -c saffron -l help
complete -c saffron -l version
