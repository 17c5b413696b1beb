/* session_knobs.c: knobs after the reveal. See session.h.
 * One request runs; while it runs only the newest setting waits. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/session_state.h"
#include "engine/view.h"

const json_t *session_knobs(const struct session *s)
{
    return json_object_get(session_here(s)->json, "knobs");
}

void session_set_trial(struct trial *to, const struct trial *from)
{
    session_set(&to->knobs, json_incref(from->knobs));
    to->again = from->again;
    session_set(&to->own, json_incref(from->own));
}

void session_first_trial(const struct session *s, struct trial *trial)
{
    json_t *values = json_object(), *knob;
    size_t i;
    json_array_foreach(session_knobs(s), i, knob)
        json_object_set(values, view_text(knob, "id", ""), json_object_get(knob, "value"));
    session_set(&trial->knobs, values);
    trial->again = 0;
    session_set(&trial->own, NULL);
}

/* JSON knows two kinds of numbers: a knob turned away and back may be the other one. */
static bool same_value(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) ? json_number_value(a) == json_number_value(b)
                                                  : json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b);
}

bool session_explored(const struct session *s)
{
    bool explored = s->shown_trial.again > 0 || s->shown_trial.own;
    for (size_t i = 0; i < json_array_size(session_knobs(s)); i++) {
        const json_t *knob = json_array_get(session_knobs(s), i);
        explored = explored || !same_value(json_object_get(s->shown_trial.knobs, view_text(knob, "id", "")),
                                           json_object_get(knob, "value"));
    }
    return explored;
}

bool session_knobs_open(const struct session *s)
{
    return s->phase == PHASE_REVEALED && json_array_size(session_knobs(s)) > 0;
}

/* A code whose bits are flipped one by one: a text without choices. */
static bool is_code(const json_t *knob)
{
    return json_is_string(json_object_get(knob, "value")) && !json_object_get(knob, "choices");
}

/* Moves the place in a code. */
static unsigned move_bit(struct session *s, const json_t *code, int direction)
{
    int n = (int)json_string_length(code), to = s->bit + direction;
    bool there = to >= 0 && to < n;
    s->bit = there ? to : s->bit;
    return there ? FX_DRAW : FX_BELL;
}

bool session_flips(const struct session *s)
{
    return session_knobs_open(s) && is_code(json_array_get(session_knobs(s), s->knob < 0 ? 0 : (size_t)s->knob));
}

/* The value after one turn: the next choice, a linear step, or a tenth of a decade rounded to two digits. */
static json_t *turned(const json_t *knob, const json_t *value, int direction)
{
    const json_t *choices = json_object_get(knob, "choices");
    if (choices) {
        size_t n = json_array_size(choices), at = 0;
        for (size_t i = 0; i < n; i++)
            if (json_equal(json_array_get(choices, i), value))
                at = i;
        at = direction > 0 ? (at + 1 < n ? at + 1 : at) : (at > 0 ? at - 1 : at);
        return json_incref(json_array_get(choices, at));
    }
    if (json_is_boolean(value))
        return json_boolean(direction > 0);
    double v = view_as_number(value), from = view_number(knob, "from", 0), to = view_number(knob, "to", 1);
    if (strcmp(view_text(knob, "scale", "linear"), "log") == 0 && v > 0) {
        double next = v * pow(10, direction * 0.1), unit = pow(10, floor(log10(next)) - 1);
        v = rint(next / unit) * unit;
    } else
        v += direction * view_number(knob, "step", (to - from) / 20);
    return json_real(fmin(fmax(v, from), to));
}

/* Takes `value`. */
static unsigned turn_to(struct session *s, struct outbox *out, const char *id, json_t *value)
{
    json_t *knobs = json_copy(s->trial.knobs);
    json_object_set_new(knobs, id, value);
    session_set(&s->trial.knobs, knobs);
    if (!s->request_id)
        return session_request_outcome(s, out);
    s->stale = true;
    return FX_DRAW;
}

unsigned session_turn(struct session *s, struct outbox *out, int direction)
{
    const json_t *knob = json_array_get(session_knobs(s), (size_t)s->knob);
    const char *id = view_text(knob, "id", "");
    const json_t *old = json_object_get(s->trial.knobs, id);
    if (is_code(knob))
        return move_bit(s, old, direction);
    json_t *value = turned(knob, old, direction);
    if (!same_value(value, old))
        return turn_to(s, out, id, value);
    json_decref(value);
    return 0;
}

/* A switch in words; NULL for any other word. */
static json_t *switch_value(const char *text)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "on") == 0)
        return json_true();
    return strcmp(text, "false") == 0 || strcmp(text, "off") == 0 ? json_false() : NULL;
}

unsigned session_flip(struct session *s, struct outbox *out)
{
    s->knob = s->knob < 0 ? 0 : s->knob;
    const char *id = view_text(json_array_get(session_knobs(s), (size_t)s->knob), "id", "");
    char code[64];
    snprintf(code, sizeof code, "%s", view_text(s->trial.knobs, id, ""));
    code[s->bit] = code[s->bit] == '0' ? '1' : '0';
    return turn_to(s, out, id, json_string(code));
}

/* As many bits as the code has. */
static bool fits_code(const json_t *knob, const char *text)
{
    size_t n = json_string_length(json_object_get(knob, "value"));
    return is_code(knob) && strlen(text) == n && strspn(text, "01") == n;
}

/* "times=60": sets a knob by name. */
unsigned session_set_knob(struct session *s, struct outbox *out, const char *text)
{
    char name[65] = "";
    const char *equals = text ? strchr(text, '=') : NULL;
    const json_t *knob = NULL;
    char *end;
    if (!session_knobs_open(s) || !equals || equals - text > 64) {
        snprintf(s->message, sizeof s->message, session_knobs_open(s) ? "write NAME=VALUE" : "no knobs here");
        return FX_DRAW | FX_BELL;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    for (size_t i = 0; i < json_array_size(session_knobs(s)); i++)
        if (strcmp(view_text(json_array_get(session_knobs(s), i), "id", ""), name) == 0)
            knob = json_array_get(session_knobs(s), i);
    if (!knob) {
        snprintf(s->message, sizeof s->message, "no knob '%s' here", name);
        return FX_DRAW | FX_BELL;
    }
    const json_t *choices = json_object_get(knob, "choices");
    json_t *value = NULL;
    for (size_t i = 0; i < json_array_size(choices); i++)
        if (strcmp(json_string_value(json_array_get(choices, i)), equals + 1) == 0)
            value = json_incref(json_array_get(choices, i));
    double number = strtod(equals + 1, &end);
    if (fits_code(knob, equals + 1))
        value = json_string(equals + 1);
    else if (is_code(knob))
        value = NULL;
    else if (json_is_boolean(json_object_get(knob, "value")))
        value = switch_value(equals + 1);
    else if (!choices && end != equals + 1 && *end == '\0' && number >= view_number(knob, "from", -HUGE_VAL)
        && number <= view_number(knob, "to", HUGE_VAL))
        value = json_real(number);
    if (!value) {
        snprintf(s->message, sizeof s->message, "knob '%s' cannot be '%.40s'", name, equals + 1);
        return FX_DRAW | FX_BELL;
    }
    return turn_to(s, out, name, value);
}
