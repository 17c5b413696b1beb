/* recipe.c: reading and checking what a tensor is to be rounded with.
 * Words come from the command line and from lessons, so each refusal says what to do instead.
 * What goes with what follows from a format's kind and width and from the scale's kind, never from a name. */
#include "kernels/recipe.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Refusing -------------------------------------------------------------------------------------- */

struct answer {
    char  *text;
    size_t room;
};

static bool refuse(struct answer why, const char *text, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool refuse(struct answer why, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    vsnprintf(why.text, why.room, text, args);
    va_end(args);
    return false;
}

/* ---- Words ----------------------------------------------------------------------------------------- */

static const char *const zero_words[ZERO_POINTS + 1] = {"none", "full", "awq", "gptq", "kivi", NULL};
static const char *const rounding_words[] = {"nearest", "zero", "stochastic", NULL};
static const char *const overflow_words[] = {"saturate", "native", NULL};
static const char *const mx_words[] = {"floor", "ceil", NULL};

const char *zero_point_name(enum zero_point zero)
{
    return zero_words[zero];
}

/* The place of `word` in a list, 0 for NULL; -1 and a line if it is not there. */
static int find_word(const char *what, const char *word, const char *const *list, struct answer why)
{
    char known[80] = "";
    for (int i = 0; list[i]; i++) {
        if (!word || strcmp(word, list[i]) == 0)
            return i;
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", list[i]);
    }
    refuse(why, "unknown %s '%.40s': use %s", what, word, known);
    return -1;
}

static bool parse_format(const char *name, const struct format **format, struct answer why)
{
    if (!name)
        return refuse(why, "no format was given: name one, as in int8");
    *format = format_find(name);
    const struct format *near = *format ? NULL : format_nearest(name);
    if (near)
        return refuse(why, "unknown format '%.40s'; did you mean '%s'?", name, near->name);
    return *format || refuse(why, "unknown format '%.40s': the README lists them, such as int8, e4m3, mxfp4", name);
}

static bool parse_clip(const char *text, struct clip *clip, struct answer why)
{
    char *end;
    *clip = (struct clip){CLIP_NONE, 0};
    if (!text || strcmp(text, "none") == 0)
        return true;
    if (strcmp(text, "mse") == 0) {
        clip->kind = CLIP_MSE;
        return true;
    }
    if (strncmp(text, "percentile:", 11) != 0)
        return refuse(why, "unknown clip '%.40s': use none, percentile:P or mse", text);
    double percent = strtod(text + 11, &end);
    if (end == text + 11 || *end || !(percent > 0 && percent <= 100))
        return refuse(why, "cannot use clip '%.40s': give a percentile above 0 and up to 100, as in percentile:99.9",
                      text);
    *clip = (struct clip){CLIP_PERCENTILE, (float)percent};
    return true;
}

void recipe_print_clip(struct clip clip, char *text, size_t room)
{
    if (clip.kind == CLIP_PERCENTILE)
        snprintf(text, room, "percentile:%g", (double)clip.percent);
    else
        snprintf(text, room, "%s", clip.kind == CLIP_MSE ? "mse" : "none");
}

struct scale recipe_scale(const struct format *format)
{
    struct scale scale = {0};
    char why[160];
    scale_parse(format->scale, &scale, why, sizeof why);
    return scale;
}

bool recipe_parse(const struct recipe_words *words, struct recipe *recipe, char *text, size_t room)
{
    struct answer why = {text, room};
    *recipe = (struct recipe){0};
    if (!parse_format(words->format, &recipe->format, why))
        return false;
    recipe->scale = recipe_scale(recipe->format);
    if (words->scale && !scale_parse(words->scale, &recipe->scale, text, room))
        return false;
    int zero = find_word("zero-point", words->zero_point, zero_words, why);
    int rounding = zero < 0 ? -1 : find_word("rounding", words->rounding, rounding_words, why);
    int overflow = rounding < 0 ? -1 : find_word("overflow", words->overflow, overflow_words, why);
    int mx = overflow < 0 ? -1 : find_word("mx rule", words->mx, mx_words, why);
    if (mx < 0 || !parse_clip(words->clip, &recipe->clip, why))
        return false;
    recipe->zero = (enum zero_point)zero;
    recipe->cast.rounding = (enum rounding)rounding;
    recipe->cast.overflow = (enum overflow)overflow;
    recipe->mx = (enum mx_rule)mx;
    return recipe_check(recipe, text, room);
}

/* ---- What goes together ---------------------------------------------------------------------------- */

static bool check_block_format(const struct recipe *r, struct answer why)
{
    const struct format *f = r->format;
    struct scale own = recipe_scale(f);
    bool bare = own.kind == SCALE_TWO_LEVEL && r->scale.kind == SCALE_NONE;
    if (!scale_equal(own, r->scale) && !bare)
        return refuse(why, "format '%s' brings its own scale: leave the scale out, or say %s", f->name, f->scale);
    if (r->cast.overflow == OVERFLOW_NATIVE)
        return refuse(why, "format '%s' always saturates: leave the overflow out", f->name);
    return true;
}

static bool check_scale(const struct recipe *r, struct answer why)
{
    const struct format *f = r->format;
    char text[40];
    scale_print(r->scale, text, sizeof text);
    if (r->scale.kind >= SCALE_GROUP && (!r->scale.size || (r->scale.kind == SCALE_TILE && !r->scale.rows)))
        return refuse(why, "a group of the scale holds no value: give it sizes of 1 or more");
    if (f->block)
        return check_block_format(r, why);
    if (r->scale.kind == SCALE_SIGNED || r->scale.kind == SCALE_DOUBLE)
        return refuse(why, "scale '%s' belongs to a block format, '%s' cannot use it: use group:%u", text, f->name,
                      r->scale.size);
    if (f->kind == FORMAT_POWER && r->scale.kind != SCALE_NONE)
        return refuse(why, "format '%s' is a scale itself and takes none: use scale none", f->name);
    if (r->scale.kind == SCALE_TWO_LEVEL && f->bits > 8)
        return refuse(why, "scale '%s' needs a format of at most 8 bits, '%s' is wider", text, f->name);
    return true;
}

static bool check_zero(const struct recipe *r, struct answer why)
{
    enum scale_kind kind = r->scale.kind;
    const char *name = zero_words[r->zero];
    if (r->zero == ZERO_NONE)
        return true;
    if (r->format->kind != FORMAT_INTEGER || r->format->block)
        return refuse(why, "zero-point '%s' needs an integer format, '%s' is none", name, r->format->name);
    if (kind == SCALE_NONE || kind == SCALE_BLOCK || kind == SCALE_TWO_LEVEL)
        return refuse(why, "zero-point '%s' needs a scale of tensor, channel, token, group:N or tile:RxC", name);
    return true;
}

bool recipe_check(const struct recipe *r, char *text, size_t room)
{
    struct answer why = {text, room};
    if (!r->format)
        return refuse(why, "no format was given: name one, as in int8");
    if (!check_scale(r, why) || !check_zero(r, why))
        return false;
    if (r->format->kind == FORMAT_LEVELS && r->cast.rounding == ROUND_STOCHASTIC)
        return refuse(why, "format '%s' has uneven steps and cannot round stochastically: use nearest",
                      r->format->name);
    if (r->clip.kind != CLIP_NONE && r->scale.kind == SCALE_NONE && !r->format->block)
        return refuse(why, "a clip chooses the scale, and scale 'none' has none: name a scale, or leave the clip out");
    if (r->clip.kind == CLIP_PERCENTILE && !(r->clip.percent > 0 && r->clip.percent <= 100))
        return refuse(why, "cannot clip at percentile %g: it is above 0 and up to 100", (double)r->clip.percent);
    if (r->mx == MX_CEIL && r->scale.kind != SCALE_BLOCK)
        return refuse(why, "the mx rule 'ceil' needs scales that are powers of two: use an MX format or block:32");
    return true;
}
