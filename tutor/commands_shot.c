/* commands_shot.c: a picture of a step's screen, for docs and for looking at. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/draw.h"
#include "tutor/drive.h"
#include "tutor/shot.h"

enum { LEAST = 1, MOST = 500 };

static bool read_size(const char *text, int *width, int *height)
{
    int used = 0;
    *width = 80;
    *height = 24;
    if (!text)
        return true;
    return sscanf(text, "%dx%d%n", width, height, &used) == 2 && text[used] == '\0' && *width >= LEAST &&
           *width <= MOST && *height >= LEAST && *height <= MOST;
}

/* The step as the learner's screen shows it now, with knobs turned where that is asked for; NULL: one cannot be, which
 * is said. */
static json_t *view_of(struct drive *d)
{
    char why[256];
    drive_settle(d);
    for (int i = 0; i < d->options->knob_count; i++) {
        drive_command(d, COMMAND_KNOB, d->options->knobs[i]);
        if (drive_complains(d, why, sizeof why)) {
            commands_fail("cannot turn '%s': %s", d->options->knobs[i], why);
            return NULL;
        }
    }
    return session_view(d->session);
}

static bool write_picture(const struct options *options, const json_t *view, int width, int height)
{
    const struct theme *theme = theme_find(options->theme ? options->theme : "dark");
    struct draw_options draw = { .ascii = options->ascii };
    struct draw_result result;
    struct canvas *canvas = canvas_new(width, height);
    draw_view(view, canvas, &draw, &result);
    if (strcmp(options->output, "-") == 0) { /* the characters alone */
        char *text = canvas_dump(canvas);
        fputs(text, stdout);
        free(text);
        canvas_free(canvas);
        return true;
    }
    FILE *file = fopen(options->output, "w");
    bool ok = file && shot_write(canvas, theme, file);
    if (file)
        ok = fclose(file) == 0 && ok;
    canvas_free(canvas);
    return ok;
}

int command_shot(const struct options *options)
{
    char error[1024];
    int width, height, status = EXIT_DONE;
    struct drive d;
    if (!options->output)
        return commands_fail("shot needs '-o FILE.svg', where the picture goes, or '-o -' for its characters");
    if (!read_size(options->size, &width, &height))
        return commands_fail("--size cannot be '%s', it is COLUMNSxROWS such as 80x24", options->size);
    if (options->theme && !theme_find(options->theme))
        return commands_fail("--theme cannot be '%s', it is one of dark, light, contrast, safe", options->theme);
    if (!drive_open(&d, options, options->words[0], error, sizeof error))
        status = commands_fail("%s", error);
    else {
        json_t *view = view_of(&d);
        if (!view)
            status = EXIT_USAGE;
        else if (!write_picture(options, view, width, height))
            status = commands_fail("cannot write '%s': %s", options->output, strerror(errno));
        json_decref(view);
    }
    drive_close(&d);
    return status;
}
