/* reply.c: one line of plain mode, read. See reply.h. */
#include "tutor/reply.h"

#include <stdio.h>
#include <string.h>

#include "engine/schema.h"

static const char *const levels[] = { "guess", "50", "75", "95" };

/* "guess", "50", "75", "95" with or without " %", or with `keys` "1" to "4"; SURE_NONE for anything else. */
static int read_level(const char *text, bool keys)
{
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '%' || text[n - 1] == ' '))
        n--;
    for (int i = SURE_GUESS; i < SURE_NONE; i++)
        if (strlen(levels[i]) == n && strncmp(levels[i], text, n) == 0)
            return i;
    return keys && n == 1 && text[0] >= '1' && text[0] <= '4' ? text[0] - '1' : SURE_NONE;
}

static void trim(char *text)
{
    size_t n = strlen(text), skip = strspn(text, " \t");
    while (n > skip && strchr(" \t\r\n", text[n - 1]))
        n--;
    memmove(text, text + skip, n - skip);
    text[n - skip] = '\0';
}

static bool read_command(char *text, struct reply *out, char *error, size_t size)
{
    const char *names[COMMAND_COUNT];
    char *name = text + 1, *space = strpbrk(name, " \t");
    out->kind = REPLY_COMMAND;
    if (space) {
        *space = '\0';
        trim(space + 1);
    }
    out->command = command_of_name(name);
    if (out->command == COMMAND_NONE) {
        for (int i = 0; i < COMMAND_COUNT; i++)
            names[i] = command_table[i].name;
        const char *nearest = schema_nearest(name, names, COMMAND_COUNT);
        if (nearest)
            snprintf(error, size, "no command ':%.40s', did you mean ':%s'?", name, nearest);
        else
            snprintf(error, size, "no command ':%.40s', ':help' lists them", name);
        return false;
    }
    if (space)
        memmove(text, space + 1, strlen(space + 1) + 1);
    else
        *text = '\0';
    return true;
}

/* Takes "@75" off the end of an answer. */
static bool split_level(struct reply *out, char *error, size_t size)
{
    char *at = strrchr(out->text, '@');
    if (!at)
        return true;
    out->confidence = read_level(at + 1, false);
    if (out->confidence == SURE_NONE) {
        snprintf(error, size, "how sure is one of @guess, @50, @75, @95, not '%.40s'", at);
        return false;
    }
    *at = '\0';
    trim(out->text);
    return true;
}

static bool read_grade(struct reply *out, char *error, size_t size)
{
    const char *text = out->text;
    out->kind = REPLY_GRADE;
    out->good = strcmp(text, "good") == 0 || strcmp(text, "g") == 0 || strcmp(text, "2") == 0;
    if (out->good || strcmp(text, "again") == 0 || strcmp(text, "a") == 0 || strcmp(text, "1") == 0)
        return true;
    snprintf(error, size, "the grade is again (1) or good (2), not '%.40s'", text);
    return false;
}

static bool read_sure(struct reply *out, char *error, size_t size)
{
    out->kind = REPLY_SURE;
    out->confidence = read_level(out->text + (out->text[0] == '@'), true);
    if (out->confidence != SURE_NONE)
        return true;
    snprintf(error, size, "how sure is one of guess, 50, 75, 95, not '%.40s'", out->text);
    return false;
}

bool reply_read(const char *line, enum session_wants wants, bool sure, struct reply *out, char *error, size_t size)
{
    *out = (struct reply){ .kind = REPLY_EMPTY, .confidence = SURE_NONE, .command = COMMAND_NONE };
    snprintf(out->text, sizeof out->text, "%s", line);
    trim(out->text);
    if (out->text[0] == '\0')
        return true;
    if (out->text[0] == ':')
        return read_command(out->text, out, error, size);
    if (wants == WANTS_CONFIDENCE)
        return read_sure(out, error, size);
    if (wants == WANTS_GRADE)
        return read_grade(out, error, size);
    out->kind = REPLY_ANSWER;
    return !sure || split_level(out, error, size);
}
