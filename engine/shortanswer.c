/* shortanswer.c: a typed answer to a recall card, judged. See shortanswer.h. */
#include "engine/shortanswer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "engine/answer.h"
#include "engine/view.h"

enum { WORD_BYTES = 256, LETTERS_A_SLIP = 6, SLIPS_MOST = 2 };

bool shortanswer_wanted(const json_t *card)
{
    const json_t *answer = json_object_get(card, "answer");
    return json_is_number(answer) || json_is_string(answer)
        || (json_is_array(answer) && json_is_string(json_array_get(answer, 0)));
}

static bool is_number(const json_t *card)
{
    return json_is_number(json_object_get(card, "answer"));
}

static const char *unit_of(const json_t *card)
{
    return view_text(card, "unit", "");
}

static const char *within(const json_t *card)
{
    return view_text(card, "within", "2 %");
}

void shortanswer_hint(const json_t *card, char *out, size_t size)
{
    const char *unit = unit_of(card);
    if (!is_number(card))
        snprintf(out, size, "a word or two");
    else if (strcmp(within(card), "exact") == 0)
        snprintf(out, size, "%s%s%sexactly", *unit ? "in " : "", unit, *unit ? ", " : "");
    else
        snprintf(out, size, "%s%s%sright within %s", *unit ? "in " : "", unit, *unit ? ", " : "", within(card));
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static bool number_right(const json_t *card, double value)
{
    json_t *rule = json_pack("{s:s, s:s}", "unit", unit_of(card), "within", within(card)), *guess = json_real(value);
    const struct step step = { .kind = STEP_PREDICT, .answer = ANSWER_NUMBER, .json = rule, .rule = rule };
    bool right = rule && guess && answer_hit(&step, guess, json_object_get(card, "answer"));
    json_decref(rule);
    json_decref(guess);
    return right;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static bool is_article(const char *word, size_t n)
{
    static const char *const articles[] = { "a", "an", "the" };
    for (size_t i = 0; i < sizeof articles / sizeof articles[0]; i++)
        if (strlen(articles[i]) == n && memcmp(articles[i], word, n) == 0)
            return true;
    return false;
}

/* What counts of a text: letters and digits, folded, without blanks and articles. */
static void reduce(const char *text, char out[WORD_BYTES])
{
    utf8proc_uint8_t *folded = NULL;
    size_t used = 0;
    utf8proc_option_t how = UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE
                          | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK;
    out[0] = '\0';
    if (utf8proc_map((const utf8proc_uint8_t *)text, 0, &folded, how) < 0)
        return;
    for (const char *p = (const char *)folded; *p;) {
        size_t n = strcspn(p, " \t\r\n-_/.,;:!?()\"'");
        if (n > 0 && !is_article(p, n) && used + n < WORD_BYTES) {
            memcpy(out + used, p, n);
            used += n;
        }
        p += n + (p[n] != '\0');
    }
    out[used] = '\0';
    free(folded);
}

static void digits_of(const char *text, char out[WORD_BYTES])
{
    size_t used = 0;
    for (; *text; text++)
        if (isdigit((unsigned char)*text))
            out[used++] = *text;
    out[used] = '\0';
}

/* Insertions, deletions, exchanges and swapped neighbors between two texts, counted in bytes. */
static int slips(const char *a, const char *b)
{
    int rows[3][WORD_BYTES + 1];
    int n = (int)strlen(b);
    for (int j = 0; j <= n; j++)
        rows[0][j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[strlen(a) % 3][n];
}

static bool means(const char *said, const char *meant)
{
    char a[WORD_BYTES], b[WORD_BYTES], x[WORD_BYTES], y[WORD_BYTES];
    reduce(said, a);
    reduce(meant, b);
    digits_of(a, x);
    digits_of(b, y);
    int allowed = (int)strlen(b) / LETTERS_A_SLIP;
    return *a && strcmp(x, y) == 0 && slips(a, b) <= (allowed < SLIPS_MOST ? allowed : SLIPS_MOST);
}

static bool words_right(const json_t *card, const char *text)
{
    const json_t *answer = json_object_get(card, "answer");
    if (json_is_string(answer))
        return means(text, json_string_value(answer));
    for (size_t i = 0; i < json_array_size(answer); i++) {
        const char *meant = json_string_value(json_array_get(answer, i));
        if (meant && means(text, meant))
            return true;
    }
    return false;
}

/* --- a card ------------------------------------------------------------------------------------------------------- */

bool shortanswer_read(const json_t *card, const char *text, char *echo, size_t size)
{
    double value;
    if (is_number(card))
        return answer_read_number(text, unit_of(card), &value, echo, size);
    char reduced[WORD_BYTES];
    reduce(text, reduced);
    snprintf(echo, size, "%s", *reduced ? "" : "type a word or two, or only Enter to look");
    return *reduced != '\0';
}

bool shortanswer_right(const json_t *card, const char *text)
{
    double value;
    char echo[256];
    if (!is_number(card))
        return words_right(card, text);
    return answer_read_number(text, unit_of(card), &value, echo, sizeof echo) && number_right(card, value);
}

void shortanswer_verdict(const json_t *card, const char *text, char *out, size_t size)
{
    const json_t *answer = json_object_get(card, "answer");
    bool right = shortanswer_right(card, text);
    char said[160], meant[160], echo[256];
    double value = 0;
    snprintf(said, sizeof said, "%.150s", text);
    if (is_number(card)) {
        if (answer_read_number(text, unit_of(card), &value, echo, sizeof echo))
            view_format_unit(value, unit_of(card), said, sizeof said);
        view_format_unit(json_number_value(answer), unit_of(card), meant, sizeof meant);
    } else
        snprintf(meant, sizeof meant, "%.150s", json_string_value(json_is_array(answer) ? json_array_get(answer, 0)
                                                                                        : answer));
    if (right)
        snprintf(out, size, "Right: %s.", meant);
    else
        snprintf(out, size, "Not quite: you said %s, it is %s.", said, meant);
}
