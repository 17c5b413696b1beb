/* export.c: progress for other programs. See export.h. */
#include "tutor/export.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "db/cards.h"
#include "engine/view.h"
#include "tutor/commands.h"

/* --- pages of events ---------------------------------------------------------------------------------------------- */

/* Hands every page's events to `take`, in order. */
static bool each_page(struct learner *learner, bool (*take)(const char *events, void *ctx), void *ctx)
{
    char after[200] = "";
    for (bool more = true; more;) {
        char *page = learner_text(learner, STORE_EVENTS, after), *events = page ? strchr(page, '\n') : NULL;
        bool ok = events != NULL;
        if (ok) {
            snprintf(after, sizeof after, "%.*s", (int)(events - page), page);
            ok = take(events + 1, ctx);
        }
        more = *after != '\0';
        free(page);
        if (!ok)
            return false;
    }
    return true;
}

/* --- json --------------------------------------------------------------------------------------------------------- */

struct json_out {
    FILE *out;
    bool  begun;
};

static bool put_page(const char *events, void *ctx)
{
    struct json_out *json = ctx;
    if (*events == '\0')
        return true;
    bool ok = fprintf(json->out, "%s%s", json->begun ? ",\n" : "", events) > 0;
    json->begun = true;
    return ok;
}

bool export_json(struct learner *learner, FILE *out)
{
    struct json_out json = { .out = out };
    fprintf(out, "{\"format\":\"%s\",\"version\":1,\"saffron\":\"%s\",\"events\":[\n", EXPORT_FORMAT, SAFFRON_VERSION);
    return each_page(learner, put_page, &json) && fputs("\n]}\n", out) >= 0;
}

/* --- anki --------------------------------------------------------------------------------------------------------- */

/* A field: escaped for HTML, without tabs and newlines, which end fields and notes. */
static void put_html(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':  fputs("&amp;", out); break;
        case '<':  fputs("&lt;", out); break;
        case '>':  fputs("&gt;", out); break;
        case '"':  fputs("&quot;", out); break; /* a field that begins with a quote would be a quoted one */
        case '\n': fputs("<br>", out); break;
        case '\t':
        case '\r': fputc(' ', out); break;
        default:   fputc(*text, out);
        }
}

static void put_card(FILE *out, const json_t *card)
{
    put_html(out, view_text(card, "id", ""));
    fputc('\t', out);
    put_html(out, view_text(card, "front", ""));
    fputc('\t', out);
    put_html(out, view_text(card, "back", ""));
    fprintf(out, "\tSaffron::%s\tsaffron %s%s\n", view_text(card, "lesson", ""), view_text(card, "lesson", ""),
            view_flag(card, "surprise") ? " surprise" : "");
}

/* Basic has no field for an id, so it stands in a GUID column; the deck column makes decks that do not exist. */
bool export_anki(struct learner *learner, FILE *out)
{
    size_t i;
    json_t *card, *cards = learner_ask(learner, STORE_CARDS, "all");
    fputs("#separator:tab\n#html:true\n#notetype:Basic\n#guid column:1\n#deck column:4\n#tags column:5\n"
          "#columns:GUID\tFront\tBack\tDeck\tTags\n", out);
    json_array_foreach(json_object_get(cards, "cards"), i, card)
        put_card(out, card);
    bool ok = json_object_get(cards, "cards") != NULL;
    json_decref(cards);
    return ok && !ferror(out);
}

/* --- csv ---------------------------------------------------------------------------------------------------------- */

/* ORDER CSV: put_row */
static const char csv_head[] = "time,device,seq,lesson,step,rev,kind,answer,value,unit,confidence,hit,outcome,octaves,"
                               "grade,elapsed_days,latency_ms,hints,uuid\r\n";

/* A cell; quoted where it must be. Text that a spreadsheet would run as a formula is kept from it by an apostrophe. */
static void put_cell(FILE *out, const char *text, bool last)
{
    bool number = text[strspn(text, "-+.0123456789eE")] == '\0';
    const char *guard = !number && *text && strchr("=+-@\t\r", *text) ? "'" : "";
    bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    fputs(quoted ? "\"" : "", out);
    fputs(guard, out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputs(quoted ? "\"" : "", out);
    fputs(last ? "\r\n" : ",", out);
}

/* Any JSON value as a cell: texts and numbers bare, a list joined by blanks. */
static void put_value(FILE *out, const json_t *value)
{
    char text[4200] = "";
    size_t used = 0;
    if (json_is_string(value))
        snprintf(text, sizeof text, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, sizeof text, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, sizeof text, "%s", json_is_true(value) ? "true" : "false");
    for (size_t i = 0; i < json_array_size(value) && used < sizeof text; i++) {
        const char *item = json_string_value(json_array_get(value, i));
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "", item ? item : "");
    }
    put_cell(out, text, false);
}

static const json_t *first_of(const json_t *object, const char *a, const char *b)
{
    const json_t *value = json_object_get(object, a);
    return value ? value : json_object_get(object, b);
}

static void put_row(FILE *out, const json_t *event)
{
    static const char *const of_event[] = { "device", "seq", "lesson", "step", "rev", "kind" };
    const json_t *p = json_object_get(event, "payload");
    char time[24];
    cards_time(json_integer_value(json_object_get(event, "utc")), time);
    put_cell(out, time, false);
    for (size_t i = 0; i < sizeof of_event / sizeof of_event[0]; i++)
        put_value(out, json_object_get(event, of_event[i]));
    put_value(out, first_of(p, "raw", "text"));
    put_value(out, first_of(p, "value", "guess"));
    put_value(out, json_object_get(p, "unit"));
    put_value(out, json_object_get(p, "confidence"));
    put_value(out, json_object_get(p, "hit"));
    put_value(out, json_object_get(json_object_get(p, "outcome"), "answer"));
    put_value(out, json_object_get(p, "octaves"));
    put_value(out, json_object_get(p, "grade"));
    put_value(out, json_object_get(p, "elapsed_days"));
    put_value(out, json_object_get(p, "latency_ms"));
    put_value(out, first_of(p, "hints", "n"));
    put_cell(out, view_text(event, "uuid", ""), true);
}

static bool is_answer(const char *kind)
{
    static const char *const kinds[] = { "prediction", "result", "answer", "review",
                                         "hint",       "skip",   "flag",   "retract" };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i], kind) == 0)
            return true;
    return false;
}

static bool put_rows(const char *events, void *ctx)
{
    char *list = NULL;
    size_t i;
    json_t *event;
    if (asprintf(&list, "[%s]", events) < 0)
        return false;
    json_t *array = json_loads(list, 0, NULL);
    free(list);
    json_array_foreach(array, i, event)
        if (is_answer(view_text(event, "kind", "")))
            put_row(ctx, event);
    bool ok = array != NULL;
    json_decref(array);
    return ok && !ferror((FILE *)ctx);
}

bool export_csv(struct learner *learner, FILE *out)
{
    return fputs(csv_head, out) >= 0 && each_page(learner, put_rows, out);
}
