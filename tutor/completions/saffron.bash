# bash completion for saffron: commands, options and their choices come from `saffron --help`.

_saffron_commands() { saffron --help 2>/dev/null | sed -n 's/^  saffron \([a-z]*\) .*/\1/p'; }
_saffron_options() { saffron $1 --help 2>/dev/null | sed -n 's/^  \(--*[a-z-]*\).*/\1/p'; }
_saffron_lessons() { saffron list --json 2>/dev/null | grep -o '"id": *"[^"]*"' | cut -d '"' -f 4; }

# What follows option $2 of command $1: its choices ("auto|cpu"), or a word in capitals such as FILE.
_saffron_value() { { saffron $1 --help; saffron --help; } 2>/dev/null | sed -n "s/^  $2 \([^ ]*[|A-Z][^ ]*\).*/\1/p" | head -n 1; }

_saffron()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands=$(_saffron_commands) command= value= i

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ " ${commands//$'\n'/ } " == *" ${COMP_WORDS[i]} "* ]] && command=${COMP_WORDS[i]} && break
    done
    [[ $before == -* ]] && value=$(_saffron_value "$command" "$before")
    case $value in
    "") ;;
    *FILE*) COMPREPLY=($(compgen -f -- "$word")); return ;;
    COMMAND) COMPREPLY=($(compgen -c -- "$word")); return ;;
    *"|"*) COMPREPLY=($(compgen -W "${value//|/ }" -- "$word")); return ;;
    *) return ;;
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$(_saffron_options "$command") $(_saffron_options)" -- "$word"))
        return
    fi
    case $command in
    "") COMPREPLY=($(compgen -W "$commands $(_saffron_lessons)" -- "$word") $(compgen -f -X '!*.lua' -- "$word")) ;;
    read | run | shot) COMPREPLY=($(compgen -W "$(_saffron_lessons)" -- "$word") $(compgen -f -X '!*.lua' -- "$word")) ;;
    check) COMPREPLY=($(compgen -f -X '!*.lua' -- "$word")) ;;
    kv) COMPREPLY=($(compgen -f -X '!*.json' -- "$word")) ;;
    esac
}

complete -o filenames -F _saffron saffron
