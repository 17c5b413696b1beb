/* fuzz_lesson: any text as a lesson file gives a document that document_new takes, or findings with a place. */
#include <stdlib.h>
#include <string.h>

#include "engine/document.h"
#include "engine/loader.h"
#include "engine/view.h"
#include "engine/watch.h"

#define REPLAY_CORPUS "tests/corpus/lesson"
#include "tests/replay.h"

static void check_findings(const json_t *findings)
{
    size_t i;
    json_t *finding;
    if (json_array_size(findings) == 0)
        abort();
    json_array_foreach((json_t *)(uintptr_t)findings, i, finding)
        if (!view_text(finding, "text", "")[0] || strpbrk(view_text(finding, "text", ""), "\n\r\033")
            || view_number(finding, "line", 0) < 1 || view_number(finding, "column", 0) < 1)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct host_env env = { 0 };
    char error[512];
    watch_worker();
    watch_begin(1);
    json_t *findings = json_array();
    json_t *document = loader_document(&env, "lessons/fuzz.lua", (const char *)data, bytes, findings);
    struct document *made = document ? document_new(document, error, sizeof error) : NULL;
    if (document && !made)
        abort();
    if (!document)
        check_findings(findings);
    document_free(made);
    json_decref(document);
    json_decref(findings);
    return 0;
}
