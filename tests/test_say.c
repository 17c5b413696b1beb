/* test_say: what is drawn and what is said hold the same numbers and the same words.
 * Each block of each sample is drawn alone on a tall canvas and said; then the two are compared. Tick numbers of axes
 * need not be said, and the ends of an axis, which are said, need not be ticks. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/samples.h"
#include "tutor/draw.h"
#include "tutor/say.h"

struct text {
    char  *bytes;
    size_t size;
    FILE  *file;
};

static struct text text_open(void)
{
    struct text text = { 0 };
    return text;
}

static void add_line(void *file, const char *line)
{
    assert_null(strchr(line, '\n'));
    assert_true(strlen(line) > 0);
    fprintf(file, "%s\n", line);
}

/* The canvas as text; cells of an axis are blanks unless `axes`. */
static char *canvas_text_of(const struct canvas *canvas, bool axes)
{
    struct text text = text_open();
    text.file = open_memstream(&text.bytes, &text.size);
    for (int y = 0; y < canvas->height; y++) {
        for (int x = 0; x < canvas->width; x++) {
            const struct canvas_cell *cell = canvas_at(canvas, x, y);
            fputs(cell->style == STYLE_AXIS && !axes ? " " : cell->text, text.file);
        }
        fputc('\n', text.file);
    }
    fclose(text.file);
    return text.bytes;
}

static char *say_text_of(const json_t *block)
{
    struct text text = text_open();
    text.file = open_memstream(&text.bytes, &text.size);
    say_block(block, add_line, text.file);
    fclose(text.file);
    return text.bytes;
}

static struct canvas *draw_alone(const json_t *block)
{
    struct canvas *canvas = canvas_new(110, 160);
    struct pen pen = { .canvas = canvas, .width = 110, .bottom = 160 };
    draw_block(&pen, block);
    return canvas;
}

/* -------------------------------------------------------------------------------------------------------- numbers */

/* The next number at or after *at, such as "-1,234.5"; false at the end. */
static bool next_number(const char **at, char *out, size_t size)
{
    while (**at && !isdigit((unsigned char)**at))
        (*at)++;
    if (!**at)
        return false;
    size_t used = 0;
    while (isdigit((unsigned char)**at) ||
           ((**at == '.' || **at == ',') && isdigit((unsigned char)(*at)[1]))) {
        if (used + 1 < size)
            out[used++] = **at;
        (*at)++;
    }
    out[used] = '\0';
    return true;
}

static bool has_number(const char *text, const char *wanted)
{
    char number[128];
    while (next_number(&text, number, sizeof number))
        if (strcmp(number, wanted) == 0)
            return true;
    return false;
}

/* Says which number of `from` is missing in `in`. */
static int missing_numbers(const char *from, const char *in, const char *what)
{
    char number[128];
    int missing = 0;
    while (next_number(&from, number, sizeof number))
        if (!has_number(in, number)) {
            print_error("%s: %s is on one face only\n", what, number);
            missing++;
        }
    return missing;
}

/* A copy without the lines that tell the span of an axis. */
static char *without_spans(const char *said)
{
    struct text text = text_open();
    text.file = open_memstream(&text.bytes, &text.size);
    while (*said) {
        size_t length = strcspn(said, "\n");
        const char *span = memmem(said, length, "from ", 5);
        bool axis = strncmp(said, "an axis", 7) == 0 || strncmp(said, "a number line", 13) == 0;
        if (span && strncmp(said, "a histogram", 11) == 0) {
            const char *rest = memmem(said, length, ", tallest", 9);
            fprintf(text.file, "%.*s", rest ? (int)(said + length - rest) : 0, rest ? rest : "");
        } else if (!axis)
            fprintf(text.file, "%.*s", (int)length, said);
        fputc('\n', text.file);
        said += length + (said[length] == '\n');
    }
    fclose(text.file);
    return text.bytes;
}

/* ---------------------------------------------------------------------------------------------------------- words */

/* Fields whose strings are for the machine. */
static bool is_machine_field(const char *name)
{
    static const char *const names[] = { "view", "role", "scale", "style", "op", "state", "id", "bits", "name",
                                         "levels", NULL };
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool has_word(const char *text, const char *word, size_t length)
{
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        if (strncmp(at, word, length) == 0)
            return true;
    return false;
}

static int missing_words(const char *words, const char *text, const char *what)
{
    int missing = 0;
    while (*words) {
        size_t length = strcspn(words, " \n");
        char word[64];
        if (length > 0 && length < 40) {
            snprintf(word, sizeof word, "%.*s", (int)length, words);
            if (!has_word(text, word, length)) {
                print_error("%s: '%s' is missing\n", what, word);
                missing++;
            }
        }
        words += length + (words[length] != '\0');
    }
    return missing;
}

/* A point of a curve that is not finite. */
static bool is_odd_number(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && (strcmp(text, "nan") == 0 || strcmp(text, "inf") == 0);
}

/* Checks each string of a block that is for people. */
static int check_strings(const json_t *value, const char *text, const char *what)
{
    int missing = 0;
    if (json_is_string(value)) {
        char *clean = text_clean(json_string_value(value));
        missing = missing_words(clean, text, what);
        free(clean);
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!is_odd_number(json_array_get(value, i)))
                missing += check_strings(json_array_get(value, i), text, what);
    } else if (json_is_object(value)) {
        bool heat = view_kind_of(value) == VIEW_HEAT, typed = json_string_length(json_object_get(value, "text")) > 0;
        const char *name;
        json_t *member;
        json_object_foreach((json_t *)value, name, member)
            if (!is_machine_field(name) && !(heat && strcmp(name, "rows") == 0) &&
                !(typed && strcmp(name, "hint") == 0))
                missing += check_strings(member, text, what);
    }
    return missing;
}

static int check_block(const json_t *block, const char *sample)
{
    struct canvas *canvas = draw_alone(block);
    char *drawn = canvas_text_of(canvas, true), *plain = canvas_text_of(canvas, false), *said = say_text_of(block);
    char *spanless = without_spans(said), what[160];
    int missing = 0;

    snprintf(what, sizeof what, "%.60s, %.20s, drawn but not said", sample, view_text(block, "view", ""));
    missing += missing_numbers(plain, said, what);
    snprintf(what, sizeof what, "%.60s, %.20s, said but not drawn", sample, view_text(block, "view", ""));
    missing += missing_numbers(spanless, drawn, what);
    snprintf(what, sizeof what, "%.60s, %.20s, not drawn", sample, view_text(block, "view", ""));
    missing += check_strings(block, drawn, what);
    snprintf(what, sizeof what, "%.60s, %.20s, not said", sample, view_text(block, "view", ""));
    missing += check_strings(block, said, what);
    free(drawn);
    free(plain);
    free(said);
    free(spanless);
    canvas_free(canvas);
    return missing;
}

static void say_and_draw_agree(void **state)
{
    static const char *const lists[] = { "body", "dock", "overlay" };
    struct sample samples[SAMPLES_MOST];
    int count = samples_load(samples), missing = 0;
    (void)state;
    for (int i = 0; i < count; i++)
        for (int l = 0; l < 3; l++) {
            size_t b;
            json_t *block;
            json_array_foreach(json_object_get(samples[i].view, lists[l]), b, block)
                missing += check_block(block, samples[i].name);
        }
    samples_free(samples, count);
    assert_int_equal(missing, 0);
}

/* Box drawing, blocks and braille are for eyes. */
static void say_has_no_drawings(void **state)
{
    struct sample samples[SAMPLES_MOST];
    int count = samples_load(samples);
    (void)state;
    for (int i = 0; i < count; i++) {
        struct text text = text_open();
        text.file = open_memstream(&text.bytes, &text.size);
        say_view(samples[i].view, add_line, text.file);
        fclose(text.file);
        for (const unsigned char *at = (const unsigned char *)text.bytes; *at; at++) {
            bool drawing = at[0] == 0xE2 && (at[1] == 0x94 || at[1] == 0x95 || at[1] == 0x96 || at[1] == 0xA0);
            assert_false(drawing);
            assert_true(*at >= 0x20 || *at == '\n');
        }
        free(text.bytes);
    }
    samples_free(samples, count);
}

static void say_one_sentence_a_line(void **state)
{
    json_t *block = json_pack("{s:s, s:s}", "view", "prose", "text",
                              "One byte holds 256 values. E4M3 uses 254 of them, e.g. for 240. \"Is it enough?\" "
                              "Mostly!");
    char *said = say_text_of(block);
    (void)state;
    assert_string_equal(said, "One byte holds 256 values.\nE4M3 uses 254 of them, e.g. for 240.\n\"Is it enough?\"\n"
                              "Mostly!\n");
    free(said);
    json_decref(block);
}

/* Where a guess of 0 has widened a logarithmic axis, both begin where the drawing can. */
static void a_log_axis_begins_above_zero(void **state)
{
    (void)state;
    json_t *block = json_pack("{s:s, s:i, s:i, s:s}", "view", "grid", "from", 0, "to", 100, "scale", "log");
    char *said = say_text_of(block);
    assert_string_equal(said, "a number line: logarithmic from 0.1 to 100\n");
    free(said);
    json_decref(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_axis_begins_above_zero),
        cmocka_unit_test(say_and_draw_agree),
        cmocka_unit_test(say_has_no_drawings),
        cmocka_unit_test(say_one_sentence_a_line),
    };
    return cmocka_run_group_tests_name("say", tests, NULL, NULL);
}
