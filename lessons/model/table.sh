#!/bin/sh
# table: the README's quality table of the lab model, as Markdown: sh lessons/model/table.sh [OPTIONS of saffron quality]
# SAFFRON names the program; build/saffron otherwise.
"${SAFFRON:-build/saffron}" quality lessons/model --json "$@" 2>/dev/null | awk '
    function value(line) { sub(/^[^:]*: */, "", line); sub(/,$/, "", line); gsub(/"/, "", line); return line }
    /"bits_per_byte"/ { bits = value($0) }
    /"bits_per_weight"/ { weight = value($0) }
    /"delta"/ { delta = value($0) }
    /"delta_se"/ { error = value($0) }
    /"kl"/ { kl = value($0) }
    /"label"/ { label = value($0) }
    /"rank"/ { rank = value($0) }
    /"top1"/ {
        printf "%03d %9.6f | %d | %s | %.4g | %.4f | %+.4f ± %.4f | %.4f | %.1f %% |\n", rank, bits, rank, label, weight,
               bits, delta, error, kl, 100 * value($0)
    }' | sort -k1,1n -k2,2n | cut -d' ' -f2- | sed 's/^ *[0-9.]* //'
