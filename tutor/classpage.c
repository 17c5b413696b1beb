/* classpage.c: what a class did, as one HTML page: no script, no other file, plots as SVG. See classview.h.
 * Everything that learners or lessons wrote is escaped; nobody is named. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/view.h"
#include "tutor/classlog.h"
#include "tutor/classview.h"

/* Sizes in the SVGs' own units. */
enum {
    SIDE = 420, PAD = 88,             /* the reliability plot */
    ROW = 34, LETTER = 9, BEHIND = 130, /* bars: height of one, width of a label's letter, room for the value */
    BIN = 27, TALL = 260,             /* the histogram: width of a bin, height */
    BARS_MOST = 12, ROWS_MOST = 8
};

/* A block of bars: letters of a label at most, and the longest bar. */
struct bars {
    FILE *out;
    int   letters, longest;
};

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1c1f23;--soft:#6b7280;--line:#d7dae0;--guess:#2563c9;"
    "--outcome:#c05a00}"
    "@media(prefers-color-scheme:dark){:root{--paper:#15181d;--ink:#e8eaee;--soft:#9aa3af;--line:#39404a;"
    "--guess:#7aa8ff;--outcome:#ffa24d}}"
    "*{box-sizing:border-box}html{scroll-snap-type:y proximity}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:clamp(16px,1.5vw,24px)/1.45 system-ui,sans-serif}"
    "section{min-height:100vh;padding:5vh 6vw;scroll-snap-align:start;border-bottom:1px solid var(--line)}"
    "h1{font-size:2.2em;margin:0 0 .2em}h2{font-size:1.6em;line-height:1.25;margin:.1em 0 .4em;max-width:32em}"
    "h3{font-size:1em;color:var(--soft);font-weight:600;margin:1.4em 0 .4em}p{margin:.3em 0;max-width:40em}"
    ".where{color:var(--soft)}.big{font-size:2.4em;font-weight:700;color:var(--outcome);margin:.1em 0}"
    ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(26em,1fr));gap:1em 3em;align-items:start}"
    "table{border-collapse:collapse}th,td{text-align:left;padding:.25em 1.2em .25em 0;border-bottom:1px solid "
    "var(--line);"
    "vertical-align:top}th{color:var(--soft);font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "svg{width:100%;height:auto;max-width:62em;overflow:visible}svg text{fill:var(--ink);font:16px "
    "system-ui,sans-serif}"
    "svg .soft{fill:var(--soft)}svg .axis{stroke:var(--line);stroke-width:1.5}svg .guess{fill:var(--guess)}"
    "svg .outcome{fill:var(--outcome)}svg .whisker{stroke:var(--outcome);stroke-width:3}"
    "svg .ideal{stroke:var(--soft);stroke-width:2;stroke-dasharray:7 6}nav a{color:var(--guess)}"
    "@media print{section{min-height:0;break-after:page}}";

/* --- words -------------------------------------------------------------------------------------------------------- */

static void put(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        default:  fputc(*text, out);
        }
}

static void element(FILE *out, const char *tag, const char *class, const char *text)
{
    fprintf(out, "<%s%s%s%s>", tag, *class ? " class=\"" : "", class, *class ? "\"" : "");
    put(out, text);
    fprintf(out, "</%s>\n", tag);
}

/* At most so many letters, with an ellipsis; never half a letter. */
static void put_short(FILE *out, const char *text, int letters)
{
    char cut[400];
    size_t n = 0;
    while (text[n] && n < sizeof cut - 8 && letters > 0) {
        letters--;
        do
            n++;
        while (((unsigned char)text[n] & 0xc0) == 0x80);
    }
    snprintf(cut, sizeof cut, "%.*s%s", (int)n, text, text[n] ? "…" : "");
    put(out, cut);
}

static int whole(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

static double share(int part, int all)
{
    return all ? 100.0 * part / all : 0;
}

/* --- plots -------------------------------------------------------------------------------------------------------- */

static double across(double percent) { return PAD + percent / 100 * SIDE; }
static double up(double percent) { return PAD / 2 + SIDE - percent / 100 * SIDE; }

static void reliability_axes(FILE *out)
{
    for (int i = 0; i <= 100; i += 25) {
        fprintf(out, "<line class=\"axis\" x1=\"%g\" y1=\"%g\" x2=\"%g\" y2=\"%g\"/>", across(0), up(i), across(100),
                up(i));
        fprintf(out, "<text class=\"soft\" x=\"%g\" y=\"%g\" text-anchor=\"end\">%d %%</text>", across(0) - 8,
                up(i) + 5, i);
        fprintf(out, "<text class=\"soft\" x=\"%g\" y=\"%g\" text-anchor=\"middle\">%d %%</text>\n", across(i),
                up(0) + 24, i);
    }
    fprintf(out, "<line class=\"ideal\" x1=\"%g\" y1=\"%g\" x2=\"%g\" y2=\"%g\"/>", across(0), up(0), across(100),
            up(100));
    fprintf(out, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">said</text>", across(50), up(0) + 48);
    fprintf(out, "<text x=\"18\" y=\"%g\" transform=\"rotate(-90 18 %g)\" text-anchor=\"middle\">were right</text>\n",
            up(50), up(50));
}

/* One point a level: the hit rate, its Wilson interval, how many. */
static void reliability(FILE *out, const json_t *object)
{
    size_t i;
    json_t *level;
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" style=\"max-width:30em\" role=\"img\" aria-label=\"share right over "
                 "confidence\">", SIDE + 2 * PAD, SIDE + 2 * PAD);
    reliability_axes(out);
    json_array_foreach(json_object_get(object, "levels"), i, level) {
        double x = across(100 * view_number(level, "mean_confidence", 0)),
               rate = 100 * view_number(level, "hit_rate", 0);
        if (whole(level, "n") == 0)
            continue;
        fprintf(out, "<line class=\"whisker\" x1=\"%g\" y1=\"%g\" x2=\"%g\" y2=\"%g\"/>", x,
                up(100 * view_number(level, "low", 0)), x, up(100 * view_number(level, "high", 1)));
        fprintf(out, "<circle class=\"outcome\" cx=\"%g\" cy=\"%g\" r=\"8\"/>", x, up(rate));
        fprintf(out, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">n %d</text>\n", x,
                up(100 * view_number(level, "low", 0)) + 20, whole(level, "n"));
    }
    fputs("</svg>\n", out);
}

/* `length`: of the longest, 0 to 1. */
static void bar_row(const struct bars *bars, int row, const char *label, double length, const char *value,
                    const char *class)
{
    int left = bars->letters * LETTER, y = row * ROW;
    double width = length * bars->longest < 2 ? 2 : length * bars->longest;
    fprintf(bars->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", left - 12, y + 22);
    put_short(bars->out, label, bars->letters - 2);
    fprintf(bars->out, "</text><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"3\"/>", class,
            left, y + 5, width, ROW - 10);
    fprintf(bars->out, "<text x=\"%.1f\" y=\"%d\">", left + width + 10, y + 22);
    put(bars->out, value);
    fputs("</text>\n", bars->out);
}

static void begin_bars(const struct bars *bars, size_t rows, const char *about)
{
    fprintf(bars->out, "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"%s\">\n",
            bars->letters * LETTER + bars->longest + BEHIND, rows * ROW, about);
}

/* Letters of the longest of the first `n` labels, within reason. */
static int longest_label(const json_t *list, const char *name, size_t n)
{
    int most = 4;
    for (size_t i = 0; i < n; i++) {
        int letters = 0;
        for (const char *p = view_text(json_array_get(list, i), name, ""); *p; p++)
            letters += ((unsigned char)*p & 0xc0) != 0x80;
        most = letters > most ? letters : most;
    }
    return most < 40 ? most + 2 : 42;
}

static void answers(FILE *out, const json_t *row)
{
    const json_t *list = json_object_get(row, "answers");
    size_t i, n = json_array_size(list) < BARS_MOST ? json_array_size(list) : BARS_MOST;
    int most = whole(json_array_get(list, 0), "n");
    if (n == 0)
        return;
    element(out, "h3", "",
            json_is_true(json_object_get(row, "answers_exact")) ? "The commonest answers"
                                                                : "The commonest answers (counts at most)");
    struct bars bars = { out, longest_label(list, "text", n), 300 };
    begin_bars(&bars, n, "the commonest answers");
    for (i = 0; i < n; i++) {
        const json_t *answer = json_array_get(list, i);
        bool hit = json_is_true(json_object_get(answer, "hit"));
        char value[48];
        snprintf(value, sizeof value, "%d%s", whole(answer, "n"), hit ? "  ✓ right" : "");
        bar_row(&bars, (int)i, view_text(answer, "text", ""), (double)whole(answer, "n") / most, value,
                hit ? "outcome" : "guess");
    }
    fputs("</svg>\n", out);
}

/* Guess over outcome, in half octaves; the middle bin is right on. */
static void histogram(FILE *out, const json_t *row)
{
    static const char *const marks[] = { "1/256", "1/64", "1/16", "1/4", "right", "4×", "16×", "64×", "256×" };
    const json_t *counts = json_object_get(row, "octaves");
    int most = 1;
    size_t i;
    if (!json_is_number(json_object_get(row, "median_octaves")))
        return;
    for (i = 0; i < CLASSLOG_BINS; i++) {
        int n = (int)json_integer_value(json_array_get(counts, i));
        most = n > most ? n : most;
    }
    element(out, "h3", "", "How far off: guess over outcome");
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"guess over outcome\">", CLASSLOG_BINS * BIN,
            TALL + 56);
    for (i = 0; i < CLASSLOG_BINS; i++) {
        int n = (int)json_integer_value(json_array_get(counts, i));
        double height = (double)n / most * (TALL - 24);
        bool middle = i == CLASSLOG_BINS / 2;
        fprintf(out, "<rect class=\"%s\" x=\"%zu\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>",
                middle ? "outcome" : "guess", i * BIN + 2, TALL - height, BIN - 4, height);
        if (n > 0)
            fprintf(out, "<text class=\"soft\" x=\"%g\" y=\"%.1f\" text-anchor=\"middle\">%d</text>", (i + .5) * BIN,
                    TALL - height - 6, n);
    }
    fprintf(out, "<line class=\"axis\" x1=\"0\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", TALL, CLASSLOG_BINS * BIN, TALL);
    for (i = 0; i < sizeof marks / sizeof marks[0]; i++)
        fprintf(out, "<text x=\"%g\" y=\"%d\" text-anchor=\"middle\">%s</text>", (4 * i + .5) * BIN, TALL + 26,
                marks[i]);
    fputs("</svg>\n", out);
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void levels(FILE *out, const json_t *row)
{
    size_t i;
    json_t *level;
    fputs("<h3>How sure</h3><table><tr><th>said<th>times<th>right<th>share<th>95&nbsp;% interval</tr>\n", out);
    json_array_foreach(json_object_get(row, "levels"), i, level) {
        const char *name = view_text(level, "level", "");
        bool guess = strcmp(name, "guess") == 0;
        if (whole(level, "n") == 0)
            continue;
        fprintf(out, "<tr><td>%s%s<td class=n>%d<td class=n>%d<td class=n>%.0f&nbsp;%%<td>%.0f to %.0f&nbsp;%%</tr>\n",
                guess ? "a guess" : name, guess ? "" : "&nbsp;%", whole(level, "n"), whole(level, "hits"),
                100 * view_number(level, "hit_rate", 0), 100 * view_number(level, "low", 0),
                100 * view_number(level, "high", 1));
    }
    fputs("</table>\n", out);
}

static void cards(FILE *out, const json_t *class)
{
    const json_t *list = json_object_get(class, "cards");
    if (json_array_size(list) == 0)
        return;
    fputs("<h3>Hardest cards</h3><table><tr><th>card<th>reviews<th>forgotten</tr>\n", out);
    for (size_t i = 0; i < json_array_size(list) && i < BARS_MOST; i++) {
        const json_t *card = json_array_get(list, i);
        fputs("<tr><td>", out);
        put(out, view_text(card, "front", view_text(card, "title", "")));
        fprintf(out, "<td class=n>%d<td class=n>%.0f&nbsp;%%</tr>\n", whole(card, "reviews"),
                share(whole(card, "again"), whole(card, "reviews")));
    }
    fputs("</table>\n", out);
}

static void flags(FILE *out, const json_t *class)
{
    size_t i;
    json_t *flag;
    if (json_array_size(json_object_get(class, "flags")) == 0)
        return;
    fputs("<h3>Flagged by learners</h3><table><tr><th>lesson<th>question<th>learners</tr>\n", out);
    json_array_foreach(json_object_get(class, "flags"), i, flag) {
        if (i == ROWS_MOST)
            break;
        fputs("<tr><td style=\"white-space:nowrap\">", out);
        put(out, view_text(flag, "lesson_title", ""));
        fputs("<td>", out);
        put(out, view_text(flag, "title", ""));
        fprintf(out, "<td class=n>%d</tr>\n", whole(flag, "n"));
    }
    fputs("</table>\n", out);
}

/* --- sections ----------------------------------------------------------------------------------------------------- */

static void overview_bars(FILE *out, const json_t *steps)
{
    size_t i;
    json_t *row;
    element(out, "h3", "", "Right, question by question");
    struct bars bars = { out, longest_label(steps, "title", json_array_size(steps)), 480 };
    begin_bars(&bars, json_array_size(steps), "share right by question");
    json_array_foreach((json_t *)(uintptr_t)steps, i, row) {
        char value[64];
        double right = share(whole(row, "hits"), whole(row, "n"));
        snprintf(value, sizeof value, "%.0f %% of %d", right, whole(row, "n"));
        bar_row(&bars, (int)i, view_text(row, "title", ""), right / 100, value, "outcome");
    }
    fputs("</svg>\n", out);
}

static void overview(FILE *out, const json_t *class)
{
    const json_t *steps = json_object_get(class, "steps");
    fputs("<section><h1>The class</h1>\n", out);
    fprintf(out, "<p class=where>%d learners, %d scored predictions, %d right; Brier score %.3f (0 is perfect, 0.25 a "
                 "coin).</p>\n",
            whole(class, "learners"), whole(class, "n"), whole(class, "hits"), view_number(class, "brier", 0));
    if (whole(class, "missing") > 0)
        fprintf(out, "<p>%d events are missing from the exports: ask for fresh ones.</p>\n", whole(class, "missing"));
    fputs("<div class=two><div><h3>How often they were right, by how sure they were</h3>\n", out);
    reliability(out, class);
    fputs("</div><div>\n", out);
    levels(out, class);
    flags(out, class);
    fputs("</div></div>\n", out);
    if (json_array_size(steps) > 0)
        overview_bars(out, steps);
    cards(out, class);
    fputs("</section>\n", out);
}

static void outcome(FILE *out, const json_t *row)
{
    const json_t *range = json_object_get(row, "outcome");
    double low = view_number(range, "low", NAN), high = view_number(range, "high", NAN);
    char a[64], b[64];
    if (!isfinite(low))
        return;
    view_format_unit(low, view_text(row, "unit", ""), a, sizeof a);
    view_format_unit(high, view_text(row, "unit", ""), b, sizeof b);
    fputs("<p>Computed: ", out);
    put(out, a);
    if (strcmp(a, b) != 0) {
        fputs(" to ", out);
        put(out, b);
        fputs(", by seed and machine", out);
    }
    fputs(".</p>\n", out);
}

static void section(FILE *out, const json_t *row)
{
    const char *question = view_text(row, "question", "");
    fputs("<section>", out);
    element(out, "p", "where", view_text(row, "lesson_title", ""));
    element(out, "h2", "", *question ? question : view_text(row, "title", ""));
    fprintf(out, "<p class=big>%d of %d right</p>\n", whole(row, "hits"), whole(row, "n"));
    fprintf(out, "<p>%d sure (75 or 95 %%) and wrong, %d without an idea, %d took a hint.</p>\n",
            whole(row, "surprises"), whole(row, "no_idea"), whole(row, "hinted"));
    if (whole(row, "flags") > 0)
        fprintf(out, "<p>Flagged by %d.</p>\n", whole(row, "flags"));
    outcome(out, row);
    histogram(out, row);
    fputs("<div class=two><div>\n", out);
    answers(out, row);
    fputs("</div><div>\n", out);
    levels(out, row);
    fputs("</div></div></section>\n", out);
}

bool classpage_write(const json_t *class, FILE *out)
{
    size_t i;
    json_t *row;
    fprintf(out,
            "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport "
            "content=\"width=device-width,initial-scale=1\">\n<title>Saffron: the "
            "class</title>\n<style>%s</style>\n<body>\n",
            style);
    overview(out, class);
    json_array_foreach(json_object_get(class, "steps"), i, row)
        section(out, row);
    fputs("</body></html>\n", out);
    return fflush(out) == 0 && !ferror(out);
}
