/* commands_doctor.c: what was found on this machine, and what was not. */
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utf8proc.h>

#include "engine/machine.h"
#include "engine/view.h"
#include "tutor/actors.h"
#include "tutor/commands.h"
#include "tutor/learner.h"
#include "tutor/paths.h"
#include "tutor/screen.h"

/* The report: [[name, text]...], and whether something that lessons need is missing. */
struct doctor {
    const struct options *options;
    json_t               *rows;
    size_t                own;      /* rows that were there before the lab's */
    bool                  sick;
};

static void row(struct doctor *d, const char *name, json_t *text)
{
    json_array_append_new(d->rows, json_pack("[s, o]", name, text ? text : json_string("?")));
}

static void look_at_terminal(struct doctor *d)
{
    char facts[256];
    const char *locale = setlocale(LC_CTYPE, NULL), *codeset = nl_langinfo(CODESET);
    bool utf8 = strcmp(codeset, "UTF-8") == 0;
    row(d, "terminal", isatty(STDOUT_FILENO) ? json_string(screen_facts(facts, sizeof facts))
                                             : json_sprintf("%s; stdout is none: plain mode",
                                                            screen_facts(facts, sizeof facts)));
    row(d, "locale", json_sprintf("%s, %s%s", locale ? locale : "C", codeset, utf8 ? "" : ": drawings in ASCII"));
}

static void look_at_machine(struct doctor *d)
{
    size_t i;
    json_t *fact, *facts = machine_facts();
    json_array_foreach(facts, i, fact)
        row(d, json_string_value(json_array_get(fact, 0)),
            json_string(commands_masked(d->options, json_string_value(json_array_get(fact, 1)))));
    json_decref(facts);
}

static void look_at_data(struct doctor *d)
{
    char data[PATH_MAX] = "", problem[512];
    bool found = paths_data(data, sizeof data);
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    int count = catalog ? catalog_count(catalog) : 0;
    row(d, "data", json_sprintf("%s%s: %d lesson%s", data, found ? "" : " not found", count, count == 1 ? "" : "s"));
    if (*problem)
        row(d, "lessons", json_string(problem));
    d->sick = d->sick || *problem || count == 0;
    catalog_free(catalog);
}

static void look_at_progress(struct doctor *d)
{
    size_t i;
    json_t *notice;
    struct learner *learner = learner_open(d->options);
    if (!learner) {
        d->sick = true;
        return;
    }
    learner_hush(learner);
    json_t *status = learner_ask(learner, STORE_STATUS, NULL);
    const char *mode = view_text(status, "mode", "not saving");
    row(d, "database", json_string(view_text(status, "path", "none")));
    row(d, "progress", json_sprintf("%s, %d events, journal %s", mode,
                                    (int)json_integer_value(json_object_get(status, "events")),
                                    view_text(status, "journal", "?")));
    json_array_foreach(json_object_get(status, "notices"), i, notice)
        row(d, "database", json_copy(notice));
    row(d, "libraries", json_sprintf("SQLite %s, Jansson %s, utf8proc %s", view_text(status, "sqlite", "?"),
                                     jansson_version_str(), utf8proc_version()));
    d->sick = d->sick || strcmp(mode, "saving") != 0;
    json_decref(status);
    learner_close(learner);
}

static bool has_row(const struct doctor *d, const char *name)
{
    for (size_t i = 0; i < d->own; i++)
        if (strcmp(json_string_value(json_array_get(json_array_get(d->rows, i), 0)), name) == 0)
            return true;
    return false;
}

/* What the lab says of its machine; our own said the same before. */
static void add_lab_row(struct doctor *d, const json_t *line)
{
    const char *name = json_string_value(json_array_get(line, 0)), *text = json_string_value(json_array_get(line, 1));
    bool here = !d->options->lab;
    char far_name[128];
    if (here && has_row(d, name))
        return;
    snprintf(far_name, sizeof far_name, "lab, %s", name);
    row(d, here ? name : far_name, json_string(text));
}

static void look_at_lab(struct doctor *d)
{
    char error[512];
    size_t i;
    json_t *line, *request = json_pack("{s:s}", "type", "info");
    struct actors *actors = actors_open(d->options, NULL, error, sizeof error);
    json_t *message = actors ? actors_request(actors, request, NULL, error, sizeof error) : NULL;
    row(d, "lab", json_sprintf("%s%s%s", d->options->lab ? d->options->lab : "on this machine", message ? "" : ": ",
                               message ? "" : error));
    d->own = json_array_size(d->rows);
    json_array_foreach(json_object_get(message, "lines"), i, line)
        add_lab_row(d, line);
    d->sick = d->sick || !message;
    json_decref(message);
    json_decref(request);
    actors_close(actors);
}

static void print_rows(const struct doctor *d)
{
    size_t i;
    json_t *line;
    json_array_foreach(d->rows, i, line)
        printf("%s: %s\n", json_string_value(json_array_get(line, 0)), json_string_value(json_array_get(line, 1)));
}

static void print_object(const struct doctor *d)
{
    json_t *all = json_object(), *line;
    size_t i;
    json_array_foreach(d->rows, i, line) {
        const char *name = json_string_value(json_array_get(line, 0));
        json_t *said = json_object_get(all, name), *text = json_array_get(line, 1);
        json_object_set_new(all, name, said ? json_sprintf("%s; %s", json_string_value(said), json_string_value(text))
                                            : json_copy(text));
    }
    json_object_set_new(all, "ok", json_boolean(!d->sick));
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

int command_doctor(const struct options *options)
{
    struct doctor d = { .options = options, .rows = json_array() };
    char program[PATH_MAX] = "?";
    paths_program(program, sizeof program);
    row(&d, "saffron", json_sprintf("%s, %s", SAFFRON_VERSION, program));
    look_at_terminal(&d);
    look_at_machine(&d);
    look_at_data(&d);
    look_at_progress(&d);
    look_at_lab(&d);
    if (options->json)
        print_object(&d);
    else
        print_rows(&d);
    json_decref(d.rows);
    return d.sick ? EXIT_NO : EXIT_DONE;
}
