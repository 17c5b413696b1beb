/* commands_class.c: an instructor's view over many exports. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/infile.h"
#include "tutor/classlog.h"
#include "tutor/classview.h"
#include "tutor/commands.h"
#include "tutor/pager.h"
#include "tutor/plain_print.h"
#include "tutor/screen.h"

/* Takes every file that can be read; what cannot is said. False: one could not. */
static bool take_files(struct classlog *log, const struct options *options)
{
    char error[256];
    const char *why;
    bool all = true;
    for (int i = 0; i < options->word_count; i++) {
        const char *name = options->words[i];
        FILE *file = strcmp(name, "-") == 0 ? stdin : infile_open(name, &why);
        bool ok = file && classlog_take(log, file, error, sizeof error);
        if (!file)
            commands_fail("cannot read '%s': %s", name, why);
        else if (!ok)
            commands_fail("cannot read all of '%s': %s", name, error);
        if (file && file != stdin)
            fclose(file);
        all = all && ok;
    }
    return all;
}

static bool write_page(const json_t *class, const char *path)
{
    FILE *out = fopen(path, "w");
    bool ok = out && classpage_write(class, out);
    int error = errno;
    if (out && fclose(out) != 0)
        ok = false;
    if (ok)
        printf("The class is in '%s'.\n", path);
    else
        commands_fail("cannot write '%s': %s, choose another place with -o", path, strerror(error));
    return ok;
}

static void print_pages(const json_t *pages, const struct options *options)
{
    struct plain_print print = { .ascii = options->ascii || !screen_locale() };
    size_t i;
    json_t *page;
    json_array_foreach((json_t *)(uintptr_t)pages, i, page)
        plain_print_view(&print, page);
    plain_print_free(&print);
}

/* On the screen where there is one, else as lines. */
static void show(const json_t *class, const struct options *options)
{
    char error[256];
    const char *term = getenv("TERM");
    json_t *pages = classview_pages(class);
    bool screen = !options->plain && !options->plain_env && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && term &&
                  strcmp(term, "dumb") != 0;
    if (!screen || pager_run(options, pages, error, sizeof error) != 0)
        print_pages(pages, options);
    json_decref(pages);
}

/* As asked for: a page, JSON, or for people. */
static bool put(const json_t *class, const struct options *options)
{
    if (options->output)
        return write_page(class, options->output);
    if (options->json) {
        json_dumpf(class, stdout, JSON_INDENT(2));
        putchar('\n');
    } else
        show(class, options);
    return true;
}

int command_class(const struct options *options)
{
    char problem[512];
    struct classlog *log = classlog_new();
    if (!log)
        return commands_fail("out of memory");
    bool all = take_files(log, options);
    json_t *class = classlog_json(log);
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    classview_name(class, catalog);
    if (all || json_integer_value(json_object_get(class, "events")) > 0)
        all = put(class, options) && all;
    json_decref(class);
    catalog_free(catalog);
    classlog_free(log);
    return all ? EXIT_DONE : EXIT_USAGE;
}
