# Export, import, backup and restore from the command line; an export imported twice changes nothing.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CACHE_HOME="$dir" SAFFRON_NOW=2026-03-01T09:00:00Z
cd "$dir" || exit 1
saf() { "$SAFFRON" "$@"; }
# same NAME WANTED GOT
same() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: wanted '$2', got '$3'"; fi; }
# has NAME FILE WORDS
has() { if grep -qF -- "$3" "$2"; then echo "ok $1"; else echo "not ok $1: no '$3' in: $(head -c 300 "$2")"; fi; }

printf '0.1 @95\ne4m3 @50\n=one step, "shared"\n\ngood\n' | saf --plain coarse-cup --db a.db >/dev/null 2>&1
saf export --to json --db a.db -o a.json
saf import a.json --db b.db >one
saf import a.json --db b.db >two
saf export --to json --db b.db >b.json
events=$(grep -c '^{"uuid"' a.json)
same "an import takes every event" "$events events added, 0 known before." "$(cat one)"
same "the same import again takes none" "0 events added, $events known before." "$(cat two)"
cmp -s a.json b.json && echo "ok the events are the same, byte by byte" || echo "not ok the events are the same, byte by byte: $(diff a.json b.json | head -n 3)"
saf stats --json --db a.db >a.stats
saf stats --json --db b.db >b.stats
cmp -s a.stats b.stats && echo "ok what is derived is the same" || echo "not ok what is derived is the same"

saf export --to anki --db a.db >anki
same "anki headers" "#separator:tab #html:true #notetype:Basic #guid column:1 #deck column:4 #tags column:5" \
    "$(grep '^#' anki | head -n 6 | tr '\n' ' ' | sed 's/ $//')"
same "every note has five fields" "5" "$(grep -v '^#' anki | awk -F'\t' '{ print NF }' | sort -u)"
same "a note for every card" "$(grep -c '"is_due"' a.stats)" "$(grep -vc '^#' anki)"
has "a note is known by its card's id" anki "coarse-cup:zeros	"
saf recall --plain --db a.db </dev/null >/dev/null
saf export --to anki --db a.db | cmp -s - anki && echo "ok ids are stable" || echo "not ok ids are stable"

saf export --to csv --db a.db >csv
has "csv has a head" csv "time,device,seq,lesson,step,rev,kind,answer,value"
has "csv cells are quoted, and no formula" csv "\"'=one step, \"\"shared\"\"\""
same "every csv line ends in CR LF" "$(wc -l <csv)" "$(grep -c "$(printf '\r')\$" csv)"

saf backup copy.db --db a.db >out
has "a backup says what it has" out "'copy.db' has $events events."
printf ':reset\n' | saf --plain coarse-cup:zeros --db a.db >/dev/null 2>&1
saf restore copy.db --db a.db >out 2>err
has "a restore says where the old one is" out "Restored: $events events. What was there before is 'a.db.before-restore-"
saf stats --json --db a.db >c.stats 2>err
cmp -s a.stats c.stats && echo "ok a restore brings everything back" || echo "not ok a restore brings everything back"
same "and nothing is missing afterwards" "" "$(cat err)"

# fails NAME STATUS WORDS COMMAND...
fails()
{
    name=$1 wanted=$2 words=$3
    shift 3
    "$@" >out 2>&1
    status=$?
    if [ $status -eq "$wanted" ] && grep -qF -- "$words" out && [ "$(wc -l <out)" -le 2 ]; then
        echo "ok $name"
    else
        echo "not ok $name: exit $status, $(head -c 300 out)"
    fi
}
fails "export wants a format" 2 "--to anki" saf export --db a.db
fails "an unknown format" 2 "anki|csv|json" saf export --to xml --db a.db
fails "an unwritable place" 2 "No such file" saf export --to json -o nowhere/x.json --db a.db
echo '{"events": 1}' >bad.json
fails "a file that is no export" 2 "is no export of saffron" saf import bad.json --db c.db
head -c 2000 a.json >torn.json
fails "a torn export brings what it has" 2 "it ends in the middle" saf import torn.json --db c.db
fails "a file that is not there" 2 "No such file" saf import nothing.json --db c.db
fails "a restore from no backup" 2 "cannot restore" saf restore bad.json --db a.db
mkfifo pipe
fails "a pipe that nobody writes into" 2 "'pipe': it is a pipe that nothing writes into" timeout 20 "$SAFFRON" import pipe
fails "a class from such a pipe" 2 "'pipe': it is a pipe that nothing writes into" timeout 20 "$SAFFRON" class pipe --json -o class.html
fails "a restore from a pipe" 2 "cannot restore 'pipe': it is a pipe" timeout 20 "$SAFFRON" restore pipe --db a.db
fails "a pipe as the database" 2 "cannot open 'pipe': it is a pipe" timeout 20 "$SAFFRON" import a.json --db pipe
cat a.json >pipe &
fails "an import from a pipe" 0 "events added" timeout 20 "$SAFFRON" import pipe --db e.db
fails "and from standard input" 0 "known before" sh -c 'cat a.json | timeout 20 "$0" import /dev/stdin --db e.db' "$SAFFRON"
fails "a backup onto a file" 2 "it exists" saf backup copy.db --db a.db

# --- a class
printf ':report\n:quit\n' | saf --plain coarse-cup:format --db b.db >/dev/null 2>&1
rm -f report-*.json saffron-*.json
saf export --to json --db b.db -o later.json
printf '57 @95\nint8 @75\n' | saf --plain coarse-cup --db d.db >/dev/null 2>&1
saf export --to json --db d.db -o d.json
saf class a.json later.json d.json --json >class.json
number() { sed -n "s/^  \"$1\": \([0-9]*\).*/\1/p" class.json; }
same "learners are counted, not files" 2 "$(number learners)"
same "what stands in two files counts once" "$(grep -c '^{"uuid"' a.json)" "$(number overlapping)"
same "a flagged question is there" 1 "$(grep -c '"flags": 1' class.json)"
saf class a.json later.json d.json --plain >out
has "plain pages name the question" out "What share becomes exactly 0?"
has "and what was answered" out "FP8 E4M3"
saf class a.json later.json d.json -o class.html >out
has "a page of its own" class.html "<svg"
grep -qE 'https?:|<script|src=' class.html && echo "not ok the page needs nothing else" || echo "ok the page needs nothing else"
fails "a file that is none, after the others" 2 "cannot read all of 'bad.json'" saf class bad.json --json -o class.html
