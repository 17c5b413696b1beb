/* fuzz_protocol: any line, from either side, is refused with one clear line or is a clean message that survives a round
 * trip. */
#include <stdlib.h>
#include <string.h>

#include "engine/document.h"
#include "engine/protocol.h"
#include "engine/view.h"

#define REPLAY_CORPUS "tests/corpus/protocol"
#include "tests/replay.h"

/* No text below holds what could drive a terminal, but for the source text of a lesson. */
static void check_clean(const json_t *value, int depth)
{
    size_t i;
    const char *key;
    json_t *item;
    if (depth > PROTOCOL_DEPTH_MAX)
        abort();
    for (const char *p = json_string_value(value); p && *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
            abort();
    json_array_foreach((json_t *)(uintptr_t)value, i, item)
        check_clean(item, depth + 1);
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
        if (strcmp(key, "text") != 0)
            check_clean(item, depth + 1);
}

static void check_round_trip(enum protocol_side side, const json_t *message)
{
    char error[256];
    size_t size;
    char *line = protocol_encode(message, &size);
    if (!line)
        abort();
    json_t *again = protocol_decode(side, line, size - 1, error, sizeof error);
    if (size < PROTOCOL_LINE_MAX && !again)
        abort();
    json_decref(again);
    free(line);
}

static void try_side(enum protocol_side side, const char *line, size_t size)
{
    char error[256] = "";
    json_t *message = protocol_decode(side, line, size, error, sizeof error);
    if (!message) {
        if (!error[0] || strpbrk(error, "\n\r\033"))
            abort();
        return;
    }
    check_clean(message, 0);
    check_round_trip(side, message);
    json_t *document = json_object_get(message, "document");
    if (json_is_object(document))
        document_free(document_new(document, error, sizeof error));
    json_decref(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    try_side(PROTOCOL_FROM_LAB, (const char *)data, bytes);
    try_side(PROTOCOL_FROM_TUTOR, (const char *)data, bytes);
    return 0;
}
