# Recall from the command line, with SAFFRON_NOW as the clock: a published history of FSRS-6, day by day, and a surprise.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CACHE_HOME="$dir"

# field NAME FILE: the first value of that name, without quotes.
field() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "$2" | head -n 1; }
stats() { "$SAFFRON" stats --json --db "$dir/$1.db" >"$dir/stats"; sed -n '/"cards": \[/,$p' "$dir/stats" >"$dir/cards"; }
grade() { printf '\n%s\n' "$2" | "$SAFFRON" recall --plain --db "$dir/$1.db" >"$dir/out" 2>"$dir/err" || return 1; }
# same NAME WANTED GOT
same() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: wanted '$2', got '$3'"; fi; }

# A: py-fsrs and ts-fsrs, ratings 3,3,3,3,3,3,1,1,3,3,3,3,3, each on the day that it is due.
export SAFFRON_NOW=2022-11-29T12:30:00Z
printf ':skip\n:skip\n:skip\n:skip\n:skip\n\n' | "$SAFFRON" --plain coarse-cup --db "$dir/a.db" >/dev/null 2>&1
printf '\ngood\n' | "$SAFFRON" --plain coarse-cup:cup --db "$dir/a.db" >"$dir/out" 2>&1
stats a
got="$(field state "$dir/cards")"
days=0 last=$SAFFRON_NOW
for rating in good good good good good again again good good good good good; do
    SAFFRON_NOW=$(field due "$dir/cards")
    grade a $rating
    last=$SAFFRON_NOW
    stats a
    days="$days $(field interval_days "$dir/cards")"
done
same "thirteen reviews are due as published" "0 2 11 46 163 498 0 0 2 4 7 12 21" "$days"
same "the first grade makes a learning card" learning "$got"
same "its stability is the published one" 20.7703 "$(field stability "$dir/cards" | cut -c 1-7)"
same "its difficulty is the published one" 9.05575 "$(field difficulty "$dir/cards" | cut -c 1-7)"
same "every grade is counted" 13 "$(field reviews "$dir/cards")"
same "the card is named by lesson and step" coarse-cup:cup "$(field id "$dir/cards")"

# A miss at 95 % comes back after 10 minutes, on the next day and on the third day.
export SAFFRON_NOW=2026-03-02T09:00:00Z
printf '0.1 @95\n' | "$SAFFRON" --plain coarse-cup:zeros --seed 7 --db "$dir/s.db" >/dev/null 2>&1
seen=
for i in 1 2 3; do
    stats s
    seen="$seen $(field state "$dir/cards")@$(field due "$dir/cards")"
    SAFFRON_NOW=$(field due "$dir/cards")
    grade s good
done
stats s
same "a surprise comes back three times" \
    " surprise@2026-03-02T09:10:00Z surprise@2026-03-03T04:00:00Z surprise@2026-03-05T04:00:00Z" "$seen"
same "then FSRS has it" "learning 2.3065" "$(field state "$dir/cards") $(field stability "$dir/cards" | cut -c 1-6)"
