/* command.c: the command table as data. See command.h. */
#include "engine/command.h"

#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

const struct command_info command_table[COMMAND_COUNT] = {
#define COMMAND(NAME, key, name, help) { key, name, help },
    COMMANDS(COMMAND)
#undef COMMAND
};

enum command command_of_key(uint32_t key)
{
    for (int c = 0; key && c < COMMAND_COUNT; c++)
        if (command_table[c].key == key)
            return (enum command)c;
    return COMMAND_NONE;
}

enum command command_of_name(const char *name)
{
    enum command found = COMMAND_NONE;
    size_t n = strlen(name);
    if (n == 1)
        return command_of_key((unsigned char)name[0]);
    for (int c = 0; c < COMMAND_COUNT; c++) {
        if (strcmp(command_table[c].name, name) == 0)
            return (enum command)c;
        if (n >= 2 && strncmp(command_table[c].name, name, n) == 0) {
            if (found != COMMAND_NONE)
                return COMMAND_NONE;
            found = (enum command)c;
        }
    }
    return found;
}

const char *command_key_name(uint32_t key, char *out, int size)
{
    static const char *const names[] = { "Enter", "Esc", "Tab", "Shift-Tab", "Backspace", "Delete", "Left", "Right",
                                         "Up", "Down", "Home", "End", "PgUp", "PgDn", "Ctrl-Left", "Ctrl-Right" };
    if (key >= KEY_CODE_ENTER && key <= KEY_CODE_CTRL_RIGHT)
        snprintf(out, (size_t)size, "%s", names[key - KEY_CODE_ENTER]);
    else {
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)key, bytes);
        snprintf(out, (size_t)size, "%.*s", (int)n, (const char *)bytes);
    }
    return out;
}
