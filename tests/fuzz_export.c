/* fuzz_export: any bytes as an export: a class takes them or says in one line why not, and what comes of it can be
 * shown; what passes as valid JSON is what a JSON reader takes. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/jsonscan.h"
#include "tutor/classlog.h"
#include "tutor/classview.h"

#define REPLAY_CORPUS "tests/corpus/export"
#include "tests/replay.h"

static void show(struct classlog *log)
{
    json_t *class = classlog_json(log);
    classview_name(class, NULL);
    json_decref(classview_pages(class));
    FILE *page = tmpfile();
    if (page) {
        if (!classpage_write(class, page))
            abort();
        fclose(page);
    }
    json_decref(class);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char error[256] = "";
    FILE *file = bytes ? fmemopen((void *)(uintptr_t)data, bytes, "r") : NULL;
    struct classlog *log = classlog_new();
    if (file && log) {
        if (!classlog_take(log, file, error, sizeof error) && (!*error || strpbrk(error, "\n\r\033")))
            abort();
        show(log);
    }
    if (file)
        fclose(file);
    classlog_free(log);
    if (jsonscan_valid((const char *)data, bytes)) {
        json_t *json = json_loadb((const char *)data, bytes, 0, NULL);
        if (!json_is_object(json))
            abort();
        json_decref(json);
    }
    return 0;
}
