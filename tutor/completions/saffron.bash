# bash completion for saffron

_saffron()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i
    local commands="read list run recall ask stats doctor set check kv lab shot"
    local options="--plain --db --lab --device --isa --threads --seed --color --ascii --help --version"

    COMPREPLY=()
    case $before in
    --device) COMPREPLY=($(compgen -W "auto cpu cuda" -- "$word")); return ;;
    --isa) COMPREPLY=($(compgen -W "scalar avx2 avx512 neon" -- "$word")); return ;;
    --color) COMPREPLY=($(compgen -W "auto always never" -- "$word")); return ;;
    --db | -o) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --lab) COMPREPLY=($(compgen -c -- "$word")); return ;;
    --threads | --seed | --knob | --kv-format | --context | --sequences) return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ " $commands " == *" ${COMP_WORDS[i]} "* ]] && command=${COMP_WORDS[i]} && break
    done
    case $command in
    "") COMPREPLY=($(compgen -W "$commands $options $(_saffron_lessons)" -- "$word") $(compgen -f -X '!*.lua' -- "$word")) ;;
    read) COMPREPLY=($(compgen -W "$(_saffron_lessons)" -- "$word") $(compgen -f -X '!*.lua' -- "$word")) ;;
    run) COMPREPLY=($(compgen -W "--seed --knob --json $(_saffron_lessons)" -- "$word")) ;;
    shot) COMPREPLY=($(compgen -W "-o $(_saffron_lessons)" -- "$word")) ;;
    list | stats | doctor) COMPREPLY=($(compgen -W "--json" -- "$word")) ;;
    kv) COMPREPLY=($(compgen -W "--kv-format --context --sequences --json" -- "$word")
        $(compgen -f -X '!*.json' -- "$word")) ;;
    check) COMPREPLY=($(compgen -f -X '!*.lua' -- "$word")) ;;
    set) COMPREPLY=($(compgen -W "theme retention plain" -- "$word")) ;;
    esac
}

# The ids of the lessons, from the tutor itself.
_saffron_lessons()
{
    saffron list --json 2>/dev/null | grep -o '"id": *"[^"]*"' | cut -d '"' -f 4
}

complete -o filenames -F _saffron saffron
