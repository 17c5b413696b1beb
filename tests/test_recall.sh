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

# Cards of an earlier day come before new material; a line that is no grade goes on to the lesson. The same day none do.
export SAFFRON_NOW=2026-04-01T09:00:00Z
printf '57 @50\n' | "$SAFFRON" --plain coarse-cup --seed 7 --db "$dir/w.db" >/dev/null 2>&1
"$SAFFRON" --plain coarse-cup --db "$dir/w.db" </dev/null >"$dir/out" 2>/dev/null
same "no card of today comes before the lesson" 0 "$(grep -c 'Before the lesson' "$dir/out")"
SAFFRON_NOW=2026-04-02T09:00:00Z
printf '\ngood\nint8 @50\n' | "$SAFFRON" --plain coarse-cup --db "$dir/w.db" >"$dir/out" 2>/dev/null
same "a card comes before new material" "Before the lesson, card 1 of 1" "$(head -n 1 "$dir/out")"
same "then the lesson goes on" 1 "$(grep -c '^Which format keeps more of the signal' "$dir/out")"
stats w
same "the grade is stored" 1 "$(grep -c "\"reviews\": 1" "$dir/cards")"
SAFFRON_NOW=2026-04-08T09:00:00Z
printf 'because all share one step\n' | "$SAFFRON" --plain coarse-cup --db "$dir/w.db" >"$dir/out" 2>/dev/null
same "a line that is no grade is for the lesson" 1 "$(grep -c '^because all share one step' "$dir/out")"

# The last grade is taken back, and the card comes again.
SAFFRON_NOW=2026-05-01T09:00:00Z
stats w
before=$(cat "$dir/cards")
printf '\nagain\n:undo\n:quit\n' | "$SAFFRON" recall --plain --db "$dir/w.db" >"$dir/out" 2>/dev/null
stats w
same "undo takes the last grade back" "$before" "$(cat "$dir/cards")"

# The day begins at four where the learner is: an evening's card, due in a day or more, does not come at three.
export SAFFRON_NOW=2026-06-01T22:00:00+02:00
printf ':skip\n:skip\n:skip\n:skip\n:skip\n\n' | "$SAFFRON" --plain coarse-cup --db "$dir/t.db" >/dev/null 2>&1
printf '\ngood\n' | "$SAFFRON" --plain coarse-cup:cup --db "$dir/t.db" >/dev/null 2>&1
SAFFRON_NOW=2026-06-01T22:30:00+02:00
grade t good
due=
for at in 2026-06-03T03:59:00+02:00 2026-06-03T04:00:00+02:00; do
    SAFFRON_NOW=$at
    stats t
    due="$due $(field is_due "$dir/cards")"
done
same "a day begins at four where the learner is" " false true" "$due"
