/* protocol.h: what the tutor and the lab say to each other, one JSON object a line.
 * Neither side trusts the other: every line, both ways, passes protocol_decode. */
#ifndef ENGINE_PROTOCOL_H
#define ENGINE_PROTOCOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    PROTOCOL_VERSION   = 1,
    LESSON_API_VERSION = 1,
    PROTOCOL_LINE_MAX  = 4 << 20, /* bytes of a line, newline included */
    PROTOCOL_DEPTH_MAX = 32,
    PROTOCOL_BANNER_MAX = 64 << 10, /* bytes skipped before hello (ssh banners) */
};

/* Lab to tutor. "id" is the id of the request it answers.
 *   hello       {"type", "protocol", "api", "version", "pid"}                            first line
 *   ready       {"type", "isa", "cpu", "device", "tensors": {name: sha256},
 *                "sandbox": {"landlock": text, "seccomp": text, "limits": text}}         after open
 *   beat        {"type"}                                                                 twice a second
 *   progress    {"type", "id", "fraction", "label"}
 *   need-lesson {"type", "id", "sha256"}                       the request is kept; send lesson, it then goes on
 *   document    {"type", "id", "document", "findings": [finding...]}     document null when the file is broken
 *   given       {"type", "id", "blocks"}
 *   result      {"type", "id", "answer", "blocks", "provenance", "values"}
 *   source      {"type", "id", "blocks"}                       code blocks: the function and its reference
 *   kv          {"type", "id", "kv": object, "blocks"}
 *   report      {"type", "id", "findings": [finding...]}       answer to check
 *   info        {"type", "id", "lines": [[name, text]...]}     for doctor
 *   problem     {"type", "id", "text", "path", "line"}         the request failed; text is one line
 * finding: {"path", "line", "column", "text"}
 * answer: number (or "nan", "inf", "-inf"), option id, or list of option ids, best first; null when there is none.
 * provenance: {"device", "isa", "seed", "tensor", "elapsed_ms", "command", "kernels": [function names], "cited": text,
 *              "timed": bool (the numbers are timings and vary)}
 *
 * Tutor to lab.
 *   open     {"type", "folder", "files": [paths], "device", "isa", "threads"}        once, before anything else
 *   lesson   {"type", "sha256", "name", "text"}                                     answers need-lesson
 *   document {"type", "id", "path"} or {"type", "id", "name", "text"}
 *   given    {"type", "id", "lesson": sha256, "step", "seed"}
 *   compute  {"type", "id", "lesson": sha256, "step", "seed": 16 hex digits, "knobs": {name: value},
 *             "guess": null or {"value", "text", "confidence"}}    compute() never sees the guess; reveal() does
 *   cancel   {"type", "id"}
 *   source   {"type", "id", "function"}
 *   kv       {"type", "id", "path", "kv_format", "context", "sequences"}
 *   check    {"type", "id", "path"}
 *   info     {"type", "id"}
 *   quit     {"type"} */

enum protocol_side { PROTOCOL_FROM_LAB, PROTOCOL_FROM_TUTOR };

/* Decodes one line of `size` bytes (without its newline). Refuses: longer lines, depth over PROTOCOL_DEPTH_MAX, bad
 * UTF-8, duplicate keys, an unknown type, fields that the message's schema does not have, views that view_check
 * refuses. Control characters other than newline and tab in strings, and bidirectional overrides, become U+FFFD.
 * Returns a new reference, or NULL with one line in `error`. */
json_t *protocol_decode(enum protocol_side, const char *line, size_t size, char *error, size_t error_size);

/* One line with its newline, names in order, allocated by malloc; NULL when out of memory. Non-finite reals cannot be
 * in a json_t: send them as protocol_number(x). */
char   *protocol_encode(const json_t *message, size_t *size);
json_t *protocol_number(double x);

/* One line that can travel: bytes that are no UTF-8 and harmful characters become '?', line breaks blanks, what does
 * not fit is cut between characters. */
void    protocol_line(const char *text, char *out, size_t size);

#endif
