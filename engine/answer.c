/* answer.c: reading and judging answers. See answer.h.
 * Numbers are parsed here and nowhere else, so that a typed guess and a stored one mean the same. */
#include "engine/answer.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text.h"
#include "engine/view.h"

/* --- units ----------------------------------------------------------------------------------------------------- */

/* ORDER FAMILY: bases */
enum family {
    FAMILY_BYTES, FAMILY_BITS, FAMILY_SECONDS, FAMILY_SHARE, FAMILY_TIMES, FAMILY_DB, FAMILY_GRAM, FAMILY_COUNT
};
static const char *const bases[] = { "bytes", "bits", "s", "%", "x", "dB", "g", "" };

static const struct unit {
    const char *name;   /* lower case */
    enum family family;
    double      factor; /* into the family's base */
} units[] = {
    { "b", FAMILY_BYTES, 1 },           { "byte", FAMILY_BYTES, 1 },        { "bytes", FAMILY_BYTES, 1 },
    { "kib", FAMILY_BYTES, 1024 },      { "mib", FAMILY_BYTES, 1048576 },   { "gib", FAMILY_BYTES, 1073741824 },
    { "tib", FAMILY_BYTES, 1099511627776. },
    { "kb", FAMILY_BYTES, 1e3 },        { "mb", FAMILY_BYTES, 1e6 },        { "gb", FAMILY_BYTES, 1e9 },
    { "tb", FAMILY_BYTES, 1e12 },
    { "bit", FAMILY_BITS, 1 },          { "bits", FAMILY_BITS, 1 },         { "bpw", FAMILY_BITS, 1 },
    { "s", FAMILY_SECONDS, 1 },         { "ms", FAMILY_SECONDS, 1e-3 },     { "us", FAMILY_SECONDS, 1e-6 },
    { "µs", FAMILY_SECONDS, 1e-6 }, { "μs", FAMILY_SECONDS, 1e-6 }, { "ns", FAMILY_SECONDS, 1e-9 },
    { "%", FAMILY_SHARE, 1 },           { "percent", FAMILY_SHARE, 1 },
    { "x", FAMILY_TIMES, 1 },           { "times", FAMILY_TIMES, 1 },       { "fold", FAMILY_TIMES, 1 },
    { "×", FAMILY_TIMES, 1 },
    { "db", FAMILY_DB, 1 },
    { "g", FAMILY_GRAM, 1 },            { "gram", FAMILY_GRAM, 1 },         { "grams", FAMILY_GRAM, 1 },
    { "kg", FAMILY_GRAM, 1e3 },         { "mg", FAMILY_GRAM, 1e-3 },
    { "chats", FAMILY_COUNT, 1 },       { "chat", FAMILY_COUNT, 1 },        { "sequences", FAMILY_COUNT, 1 },
    { "values", FAMILY_COUNT, 1 },      { "codes", FAMILY_COUNT, 1 },       { "columns", FAMILY_COUNT, 1 },
    { "tokens", FAMILY_COUNT, 1 },      { "k", FAMILY_COUNT, 1e3 },         { "m", FAMILY_COUNT, 1e6 },
};

static const struct unit *find_unit(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcasecmp(units[i].name, name) == 0)
            return &units[i];
    return NULL;
}

/* A unit that the tables do not know ("tokens/s") is understood as itself. NULL when `typed` does not fit. */
static const struct unit *fitting_unit(const char *typed, const char *asked)
{
    static const struct unit itself = { "", FAMILY_COUNT, 1 };
    const struct unit *from = find_unit(typed), *to = find_unit(asked);
    if (strcasecmp(typed, asked) == 0)
        return from ? from : &itself;
    if (!from || (*asked && (!to || from->family != to->family)))
        return NULL;
    return from;
}

/* --- numbers --------------------------------------------------------------------------------------------------- */

/* Copies the digits of `text` without thousands commas ("65,536"; each comma followed by exactly three digits), up to
 * the unit. Returns where the unit starts, or NULL for a comma that is no thousands mark. */
static const char *plain_digits(const char *text, char *out, size_t size)
{
    size_t used = 0;
    const char *p = text;
    for (; *p && used + 1 < size; p++) {
        if (*p == ',') {
            bool three = isdigit((unsigned char)p[1]) && isdigit((unsigned char)p[2]) && isdigit((unsigned char)p[3]);
            if (used == 0 || !three || isdigit((unsigned char)p[4]))
                return NULL;
            continue;
        }
        bool exponent = (*p == 'e' || *p == 'E') && used > 0 &&
            (isdigit((unsigned char)p[1]) || ((p[1] == '-' || p[1] == '+') && isdigit((unsigned char)p[2])));
        bool sign = (*p == '-' || *p == '+') &&
            (used == 0 || out[used - 1] == 'e' || out[used - 1] == 'E' || out[used - 1] == '^');
        if (!isdigit((unsigned char)*p) && *p != '.' && *p != '^' && !exponent && !sign)
            break;
        out[used++] = *p;
    }
    out[used] = '\0';
    return p;
}

static bool evaluate(const char *digits, double *value)
{
    char *end;
    double base = strtod(digits, &end);
    if (end == digits)
        return false;
    if (*end == '^') {
        const char *start = end + 1;
        double exponent = strtod(start, &end);
        if (end == start)
            return false;
        base = pow(base, exponent);
    }
    *value = base;
    return *end == '\0' && isfinite(base);
}

/* A number as understood, with as many digits as it takes to read it back (nine at most). */
static char *format_typed(double value, char *out, size_t size)
{
    char digits[96];
    double back;
    view_format(value, out, size);
    if (plain_digits(out, digits, sizeof digits) && evaluate(digits, &back) && back == value)
        return out;
    for (int n = 4; n <= 9; n++) {
        snprintf(out, size, "%.*g", n, value);
        if (fabs(strtod(out, NULL) - value) <= 1e-12 * fabs(value))
            break;
    }
    return out;
}

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \t\n");
}

/* The unit after a number, without blanks around it; false when it is longer than any. */
static bool typed_unit(const char *text, char *out, size_t size)
{
    text = skip_spaces(text);
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\n", text[n - 1]))
        n--;
    if (n >= size)
        return false;
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}

bool answer_read_number(const char *text, const char *unit, double *value, char *echo, size_t size)
{
    char digits[96], name[24], number[64], converted[64];
    const char *asked = unit ? unit : "", *begin = skip_spaces(text);
    const char *rest = plain_digits(begin, digits, sizeof digits);
    double typed;
    if (!rest || !evaluate(digits, &typed)) {
        text_print(echo, size, "cannot read '%.*s' as a number: try 18, 1.2e-3, 2^-7%s%s", (int)text_cut(begin, 40),
                   begin, *asked ? " or 18 " : "", asked);
        return false;
    }
    bool short_enough = typed_unit(rest, name, sizeof name);
    const struct unit *from = short_enough ? fitting_unit(*name ? name : asked, asked) : NULL, *to = find_unit(asked);
    if (!from && (*name || !short_enough)) {
        rest = skip_spaces(rest);
        text_print(echo, size, "cannot use '%.*s' here: the answer is in %s", (int)text_cut(rest, 20), rest,
                   *asked ? asked : "plain numbers");
        return false;
    }
    const char *base = strcmp(asked, "B") == 0 ? "bytes" : asked;
    if (!*asked && *name)
        base = from->factor == 1 ? name : bases[from->family];
    *value = *name ? typed * from->factor / (to ? to->factor : 1) : typed;
    format_typed(typed, number, sizeof number);
    format_typed(*value, converted, sizeof converted);
    if (*value != typed)
        text_print(echo, size, "%s %s = %s%s%s", number, name, converted, *base ? " " : "", base);
    else
        text_print(echo, size, "%s%s%s", converted, *base ? " " : "", base);
    return true;
}

/* --- rules ----------------------------------------------------------------------------------------------------- */

enum rule_kind { RULE_UNKNOWN, RULE_EXACT, RULE_TICK, RULE_PERCENT, RULE_POINTS, RULE_FACTOR };

static enum rule_kind rule_of(const json_t *rule, double *amount)
{
    const char *within = view_text(rule, "within", "");
    char *end;
    if (strcmp(within, "exact") == 0)
        return RULE_EXACT;
    if (strcmp(within, "tick") == 0) {
        *amount = view_number(rule, "tick", 1);
        return RULE_TICK;
    }
    *amount = strtod(within, &end);
    if (end == within || !(*amount > 0))
        return RULE_UNKNOWN;
    while (*end == ' ')
        end++;
    if (strcmp(end, "%") == 0)
        return RULE_PERCENT;
    if (strcmp(end, "points") == 0 || strcmp(end, "point") == 0)
        return RULE_POINTS;
    if (strcmp(end, "x") == 0 && *amount > 1)
        return RULE_FACTOR;
    return RULE_UNKNOWN;
}

bool answer_rule_known(const json_t *rule)
{
    double amount;
    return rule_of(rule, &amount) != RULE_UNKNOWN;
}

void answer_rule_text(const struct step *s, char *out, size_t size)
{
    double amount = 0;
    const char *unit = view_text(s->rule, "unit", "");
    char number[64];
    *out = '\0';
    if (s->answer == ANSWER_ORDER)
        snprintf(out, size, "right if the whole order is");
    if (s->answer != ANSWER_NUMBER && s->answer != ANSWER_PLACE)
        return;
    switch (rule_of(s->rule, &amount)) {
    case RULE_EXACT:   snprintf(out, size, "right if exact"); break;
    case RULE_TICK:
        snprintf(out, size, "right on the same mark, %s %s wide", view_format(amount, number, sizeof number), unit);
        break;
    case RULE_PERCENT:
        snprintf(out, size, "right within %s %% of it", view_format(amount, number, sizeof number));
        break;
    case RULE_FACTOR:
        snprintf(out, size, "right within a factor of %s", view_format(amount, number, sizeof number));
        break;
    case RULE_POINTS:
        snprintf(out, size, "right within %s %s", view_format(amount, number, sizeof number),
                 strcmp(unit, "%") == 0 ? "points" : unit);
        break;
    case RULE_UNKNOWN: break;
    }
}

static bool number_hit(const json_t *rule, double guess, double outcome)
{
    double amount = 0;
    if (!isfinite(outcome) || !isfinite(guess))
        return guess == outcome;
    switch (rule_of(rule, &amount)) {
    case RULE_EXACT:   return guess == outcome || fabs(guess - outcome) <= 1e-9 * fabs(outcome);
    case RULE_TICK:    return fabs(guess - outcome) <= amount / 2 * (1 + 1e-9);
    case RULE_PERCENT: return fabs(guess - outcome) <= amount / 100 * fabs(outcome) * (1 + 1e-9);
    case RULE_POINTS:  return fabs(guess - outcome) <= amount * (1 + 1e-9);
    case RULE_FACTOR:  return guess / outcome > 0 && fabs(log(guess / outcome)) <= log(amount) * (1 + 1e-9);
    case RULE_UNKNOWN: break;
    }
    return false;
}

static bool is_option(const struct step *s, const json_t *id)
{
    const json_t *options = json_object_get(s->rule, "options");
    for (size_t i = 0; json_is_string(id) && i < json_array_size(options); i++)
        if (json_equal(id, json_object_get(json_array_get(options, i), "id")))
            return true;
    return false;
}

static bool is_order(const struct step *s, const json_t *answer)
{
    size_t n = json_array_size(json_object_get(s->rule, "options"));
    if (!json_is_array(answer) || json_array_size(answer) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_option(s, json_array_get(answer, i)))
            return false;
        for (size_t k = 0; k < i; k++)
            if (json_equal(json_array_get(answer, i), json_array_get(answer, k)))
                return false;
    }
    return true;
}

bool answer_fits(const struct step *s, const json_t *answer)
{
    if (!answer || json_is_null(answer))
        return true;
    switch (s->answer) {
    case ANSWER_NUMBER:
    case ANSWER_PLACE:  return json_is_number(answer) || json_is_string(answer);
    case ANSWER_CHOICE: return is_option(s, answer);
    case ANSWER_ORDER:  return is_order(s, answer);
    default:            return true;
    }
}

bool answer_hit(const struct step *s, const json_t *guess, const json_t *outcome)
{
    if (!guess || !outcome || json_is_null(guess) || json_is_null(outcome))
        return false;
    if (s->answer == ANSWER_NUMBER || s->answer == ANSWER_PLACE)
        return number_hit(s->rule, view_as_number(guess), view_as_number(outcome));
    return json_equal(guess, outcome);
}

/* Where in "a=b c=d" the group that holds `id` begins; -1 if none does. */
static int tie_of(const char *ties, const char *id)
{
    size_t n = strlen(id);
    int group = 0;
    for (const char *p = ties; *p;) {
        size_t length = strcspn(p, "= ");
        if (length == n && memcmp(p, id, n) == 0)
            return group;
        p += length;
        if (*p == ' ')
            group = (int)(p - ties) + 1;
        p += *p != '\0';
    }
    return -1;
}

/* Two orders that differ only among options that tie. */
static bool same_order(const json_t *guess, const json_t *outcome, const char *ties)
{
    size_t n = json_array_size(outcome);
    bool same = n == json_array_size(guess);
    for (size_t i = 0; same && i < n; i++) {
        const char *mine = json_string_value(json_array_get(guess, i));
        const char *right = json_string_value(json_array_get(outcome, i));
        if (!mine || !right)
            return false;
        int group = tie_of(ties, right);
        same = strcmp(mine, right) == 0 || (group >= 0 && tie_of(ties, mine) == group);
    }
    return same;
}

enum verdict answer_judge(const struct step *s, const json_t *guess, const json_t *outcome, const json_t *values)
{
    const char *ties = json_string_value(json_object_get(values, "ties"));
    double low = view_number(values, "low", NAN), high = view_number(values, "high", NAN);
    if (json_is_string(json_object_get(values, "unscored")))
        return VERDICT_UNSCORED;
    bool hit = answer_hit(s, guess, outcome);
    bool number = (s->answer == ANSWER_NUMBER || s->answer == ANSWER_PLACE) && guess && !json_is_null(guess);
    if (!hit && number && low <= high) {
        double value = view_as_number(guess);
        hit = (value >= low && value <= high) || number_hit(s->rule, value, low) || number_hit(s->rule, value, high);
    }
    if (!hit && s->answer == ANSWER_ORDER && ties)
        hit = same_order(guess, outcome, ties);
    return hit ? VERDICT_HIT : VERDICT_MISS;
}

double answer_octaves(const json_t *guess, const json_t *outcome)
{
    double g = view_as_number(guess), o = view_as_number(outcome);
    return g > 0 && o > 0 && isfinite(g) && isfinite(o) ? fabs(log2(g / o)) : NAN;
}

const char *answer_option_text(const struct step *s, const char *id)
{
    const json_t *options = json_object_get(s->rule, "options");
    if (!id)
        return "";
    for (size_t i = 0; i < json_array_size(options); i++) {
        const json_t *o = json_array_get(options, i);
        if (strcmp(view_text(o, "id", ""), id) == 0)
            return view_text(o, "text", id);
    }
    return id;
}

/* --- the difference in words ----------------------------------------------------------------------------------- */

static void number_difference(const struct step *s, double g, double o, bool hit, char *out, size_t size)
{
    double amount;
    const char *unit = view_text(s->rule, "unit", "");
    /* Twice a level in dB, or twice a place, says nothing: their differences do. */
    bool apart = s->answer == ANSWER_PLACE || rule_of(s->rule, &amount) == RULE_POINTS || strcmp(unit, "dB") == 0;
    char guess[64], outcome[64], gap[64];
    view_format_unit(g, unit, guess, sizeof guess);
    view_format_unit(o, unit, outcome, sizeof outcome);
    if (hit && strcmp(guess, outcome) == 0)
        snprintf(out, size, "Right: %s.", outcome);
    else if (hit)
        snprintf(out, size, "Right: your %s is close enough to %s.", guess, outcome);
    else if (!isfinite(o))
        snprintf(out, size, "It is %s.", outcome);
    else if (g == 0 || o == 0 || g * o < 0 || apart)
        snprintf(out, size, "Off by %s: it is %s.",
                 view_format_unit(fabs(g - o), strcmp(unit, "%") == 0 ? "points" : unit, gap, sizeof gap), outcome);
    else if (fabs(log2(g / o)) >= 1)
        snprintf(out, size, "It is %s: your %s is %s times too %s.", outcome, guess,
                 view_format(g > o ? g / o : o / g, gap, sizeof gap), g > o ? "large" : "small");
    else
        snprintf(out, size, "It is %s: your %s is %s %% too %s.", outcome, guess,
                 view_format(100 * fabs(g - o) / fabs(o), gap, sizeof gap), g > o ? "high" : "low");
}

static void order_difference(const json_t *guess, const json_t *outcome, bool hit, char *out, size_t size)
{
    size_t n = json_array_size(outcome), same = 0;
    for (size_t i = 0; i < n; i++)
        same += json_equal(json_array_get(guess, i), json_array_get(outcome, i)) ? 1 : 0;
    if (hit)
        snprintf(out, size, "Right: the whole order.");
    else
        snprintf(out, size, "%zu of %zu stand where you put them.", same, n);
}

void answer_difference(const struct step *s, const json_t *guess, const json_t *outcome, char *out, size_t size)
{
    bool hit = answer_hit(s, guess, outcome);
    *out = '\0';
    if (!guess || json_is_null(guess) || !outcome || json_is_null(outcome))
        return;
    if (s->answer == ANSWER_NUMBER || s->answer == ANSWER_PLACE)
        number_difference(s, view_as_number(guess), view_as_number(outcome), hit, out, size);
    else if (s->answer == ANSWER_ORDER)
        order_difference(guess, outcome, hit, out, size);
    else if (json_is_string(outcome))
        text_print(out, size, "%s: %s.", hit ? "Right" : "Not that one",
                   answer_option_text(s, json_string_value(outcome)));
}

/* --- the order of options -------------------------------------------------------------------------------------- */

void answer_shuffle(unsigned long long seed, int n, int *order)
{
    uint64_t state = seed;
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        /* splitmix64 (Steele, Lea and Flood 2014): a permutation need only be fair, and the same everywhere. */
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        int j = (int)((z ^ (z >> 31)) % (uint64_t)(i + 1));
        int t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}
