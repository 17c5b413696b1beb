/* test_protocol: what the decoder takes, what it refuses, and what it cleans. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/protocol.h"
#include "engine/view.h"

static json_t *decode(enum protocol_side side, const char *line)
{
    char error[256] = "";
    json_t *message = protocol_decode(side, line, strlen(line), error, sizeof error);
    assert_true((message != NULL) == (error[0] == '\0'));
    return message;
}

static void refuse(enum protocol_side side, const char *line, const char *why)
{
    char error[256] = "";
    json_t *message = protocol_decode(side, line, strlen(line), error, sizeof error);
    if (message || !strstr(error, why) || strpbrk(error, "\n\r\033"))
        fail_msg("%.60s: expected '%s', got '%s'", line, why, error);
}

static void takes(void **state)
{
    static const char *const lab[] = {
        "{\"type\":\"hello\",\"protocol\":1,\"api\":1,\"version\":\"0.1.0\",\"pid\":7}",
        "{\"type\":\"ready\",\"isa\":\"avx2\",\"tensors\":{\"minilm/x\":\"00\"},\"sandbox\":{\"landlock\":\"on\"}}",
        "{\"type\":\"beat\"}",
        "{\"type\":\"progress\",\"id\":1,\"fraction\":0.5,\"label\":\"x\"}",
        "{\"type\":\"need-lesson\",\"id\":1,\"sha256\":\"00\"}",
        "{\"type\":\"document\",\"id\":1,\"document\":null,\"findings\":[{\"path\":\"x\",\"line\":1,\"text\":\"y\"}]}",
        "{\"type\":\"given\",\"id\":1,\"blocks\":[{\"view\":\"prose\",\"text\":\"x\"}]}",
        "{\"type\":\"result\",\"id\":1,\"answer\":1.5,\"blocks\":[],\"provenance\":{\"isa\":\"scalar\"},\"values\":{}}",
        "{\"type\":\"result\",\"id\":1,\"answer\":\"nan\",\"blocks\":[]}",
        "{\"type\":\"result\",\"id\":1,\"answer\":[\"a\",\"b\"],\"blocks\":[]}",
        "{\"type\":\"result\",\"id\":1,\"answer\":null,\"blocks\":[]}",
        "{\"type\":\"kv\",\"id\":1,\"kv\":{\"kv_layers\":16},\"blocks\":[]}",
        "{\"type\":\"info\",\"id\":1,\"lines\":[[\"a\",\"b\"]]}",
        "{\"type\":\"problem\",\"id\":1,\"text\":\"x\",\"path\":\"y\",\"line\":3}",
    };
    static const char *const tutor[] = {
        "{\"type\":\"open\",\"folder\":\"lessons\",\"files\":[\"a\"],\"isa\":\"scalar\",\"threads\":2}",
        ("{\"type\":\"compute\",\"id\":1,\"lesson\":\"00\",\"step\":\"s\",\"seed\":\"0\","
         "\"knobs\":{\"x\":1,\"y\":\"a\"},\"guess\":{\"value\":[\"a\"],\"text\":\"a\",\"confidence\":2}}"),
        "{\"type\":\"compute\",\"id\":1,\"lesson\":\"00\",\"step\":\"s\",\"guess\":null}",
        "{\"type\":\"cancel\",\"id\":1}",
        "{\"type\":\"quit\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lab / sizeof lab[0]; i++) {
        json_t *message = decode(PROTOCOL_FROM_LAB, lab[i]);
        if (!message)
            fail_msg("refused %s", lab[i]);
        json_decref(message);
        assert_null(decode(PROTOCOL_FROM_TUTOR, i == 2 ? lab[i] : lab[0]));
    }
    for (size_t i = 0; i < sizeof tutor / sizeof tutor[0]; i++) {
        json_t *message = decode(PROTOCOL_FROM_TUTOR, tutor[i]);
        if (!message)
            fail_msg("refused %s", tutor[i]);
        json_decref(message);
    }
}

static void refuses(void **state)
{
    (void)state;
    refuse(PROTOCOL_FROM_LAB, "", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "beat", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"beat\"} x", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"beat\"", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "[]", "no type");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":7}", "no type");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"quit\"}", "no type that is known");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"beat\",\"type\":\"beat\"}", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"beat\",\"x\":1}", "unknown field 'x'");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"progress\",\"fraction\":1}", "no 'id'");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"progress\",\"id\":-1}", "not within");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"progress\",\"id\":1.5}", "whole number");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"progress\",\"id\":1e999}", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"progress\",\"id\":99999999999999999999}", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"problem\",\"id\":1,\"text\":\"a\\u0000b\"}", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"problem\",\"id\":1,\"text\":\"\xff\"}", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"problem\",\"id\":1,\"text\":\"\xed\xa0\x80\"}", "not JSON");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"beat\",\"\xe2\x80\xae\":1}", "control characters");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"result\",\"id\":1,\"answer\":{\"a\":1}}", "answer");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"result\",\"id\":1,\"blocks\":[{\"view\":\"prose\",\"text\":\"x\",\"y\":1}]}",
           "'y'");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"document\",\"id\":1,\"document\":7}", "no object");
    refuse(PROTOCOL_FROM_LAB, "{\"type\":\"info\",\"id\":1,\"lines\":[[\"a\",\"b\",\"c\"]]}", "too long");
    refuse(PROTOCOL_FROM_TUTOR, "{\"type\":\"compute\",\"id\":1,\"lesson\":\"0\",\"step\":\"s\",\"knobs\":{\"x\":[]}}",
           "knobs");
}

/* A line of `count` repetitions of `piece` between two ends. */
static char *long_line(const char *head, const char *piece, size_t count, const char *tail)
{
    size_t n = strlen(piece);
    char *line = malloc(strlen(head) + n * count + strlen(tail) + 1), *p = line;
    assert_non_null(line);
    p += sprintf(p, "%s", head);
    for (size_t i = 0; i < count; i++, p += n)
        memcpy(p, piece, n);
    strcpy(p, tail);
    return line;
}

static void limits(void **state)
{
    (void)state;
    char *line = long_line("{\"type\":\"problem\",\"id\":1,\"text\":\"", "x", 5 << 20, "\"}");
    refuse(PROTOCOL_FROM_LAB, line, "longer than 4 MiB");
    free(line);
    line = long_line("{\"type\":\"kv\",\"id\":1,\"kv\":{\"a\":", "[", 40, "");
    refuse(PROTOCOL_FROM_LAB, line, "nested too deeply");
    free(line);
    line = long_line("", "[", 3 << 20, "");
    refuse(PROTOCOL_FROM_LAB, line, "nested too deeply");
    free(line);
    line = long_line("{\"type\":\"kv\",\"id\":1,\"kv\":{\"a\":[1", ",1", 300000, "]}}");
    refuse(PROTOCOL_FROM_LAB, line, "too many values");
    free(line);
    line =
        long_line("{\"type\":\"problem\",\"id\":1,\"text\":\"", "[{,\\\"", 2000, "\"}"); /* in a text they are text */
    json_decref(decode(PROTOCOL_FROM_LAB, line));
    free(line);
}

static void cleans(void **state)
{
    (void)state;
    json_t *message = decode(PROTOCOL_FROM_LAB,
                             "{\"type\":\"problem\",\"id\":1,\"text\":\"a\\u001b[2J\\tb\\nc\\u009b\\u202ed\\u2066"
                             "\\u200f\\ufeff\\r\"}");
    assert_non_null(message);
    assert_string_equal(json_string_value(json_object_get(message, "text")),
                        "a\xef\xbf\xbd[2J\tb\nc\xef\xbf\xbd\xef\xbf\xbd"
                        "d\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(message);
    message =
        decode(PROTOCOL_FROM_LAB,
               "{\"type\":\"result\",\"id\":1,\"blocks\":[{\"view\":\"prose\",\"text\":\"\\u001b]0;x\\u0007\"}]}");
    assert_non_null(message);
    const json_t *block = json_array_get(json_object_get(message, "blocks"), 0);
    assert_string_equal(view_text(block, "text", ""), "\xef\xbf\xbd]0;x\xef\xbf\xbd");
    json_decref(message);
}

/* A lesson's text keeps every byte, or its checksum would be wrong. */
static void lessons_keep_their_bytes(void **state)
{
    (void)state;
    json_t *message =
        decode(PROTOCOL_FROM_TUTOR, "{\"type\":\"lesson\",\"sha256\":\"0\\u001b\",\"text\":\"a\\r\\n\\u001b\"}");
    assert_non_null(message);
    assert_string_equal(json_string_value(json_object_get(message, "text")), "a\r\n\033");
    assert_string_equal(json_string_value(json_object_get(message, "sha256")), "0\xef\xbf\xbd");
    json_decref(message);
}

static void numbers(void **state)
{
    static const double values[] = { 0, -1.5, 1e300, INFINITY, -INFINITY, NAN };
    static const char *const texts[] = { NULL, NULL, NULL, "inf", "-inf", "nan" };
    (void)state;
    for (int i = 0; i < 6; i++) {
        json_t *number = protocol_number(values[i]);
        if (texts[i])
            assert_string_equal(json_string_value(number), texts[i]);
        else
            assert_true(json_number_value(number) == values[i]);
        json_decref(number);
    }
}

static void round_trip(void **state)
{
    size_t size;
    char error[256];
    (void)state;
    json_t *message = json_pack("{s:s, s:i, s:s}", "type", "problem", "id", 3, "text", "line\none \xe2\x82\xac");
    char *line = protocol_encode(message, &size);
    assert_non_null(line);
    assert_int_equal(line[size - 1], '\n');
    assert_null(memchr(line, '\n', size - 1));
    json_t *back = protocol_decode(PROTOCOL_FROM_LAB, line, size - 1, error, sizeof error);
    assert_true(json_equal(message, back));
    json_decref(back);
    json_decref(message);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes),   cmocka_unit_test(refuses), cmocka_unit_test(limits),
        cmocka_unit_test(cleans),  cmocka_unit_test(lessons_keep_their_bytes),
        cmocka_unit_test(numbers), cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
