#!/bin/sh
# a lab that answers by rote
echo '{"type":"hello","protocol":1,"api":1,"version":"0","pid":1}'
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id": *\([0-9]*\).*/\1/p')
    step=$(printf '%s' "$line" | sed -n 's/.*"step": *"\([a-z]*\)".*/\1/p')
    case $line in
    *'"type":"open"'*|*'"type": "open"'*) echo '{"type":"ready","isa":"scalar","cpu":"x","device":"cpu","tensors":{}}' ;;
    *'"compute"'*)
        case $step in num) a=54.6 ;; cho) a='"ordinary"' ;; ord) a='["b","a","c"]' ;; pla) a=240 ;; esac
        echo "{\"type\":\"result\",\"id\":$id,\"answer\":$a,\"blocks\":[{\"view\":\"prose\",\"text\":\"The outlier fits. Its neighbours pay.\"}],\"provenance\":{\"device\":\"cpu\",\"isa\":\"scalar\",\"seed\":\"1\",\"elapsed_ms\":3}}" ;;
    *quit*) exit ;;
    esac
done
