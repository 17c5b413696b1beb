/* command.h: the one table of commands: keys, footer, help page, plain mode's ':name' and the README's list.
 * A letter key is a command only while the input line is empty. */
#ifndef ENGINE_COMMAND_H
#define ENGINE_COMMAND_H

#include <stdint.h>

/* Keys as the engine knows them: Unicode code points, and these above the Unicode range. */
enum key {
    KEY_CODE_ENTER = 0x110000, KEY_CODE_ESCAPE, KEY_CODE_TAB, KEY_CODE_BACKTAB, KEY_CODE_BACKSPACE, KEY_CODE_DELETE,
    KEY_CODE_LEFT, KEY_CODE_RIGHT, KEY_CODE_UP, KEY_CODE_DOWN, KEY_CODE_HOME, KEY_CODE_END, KEY_CODE_PAGE_UP,
    KEY_CODE_PAGE_DOWN, KEY_CODE_CTRL_LEFT, KEY_CODE_CTRL_RIGHT,
};

/* COMMAND(NAME, key, name, help): key 0 has no letter. The order is the order of the help page. */
#define COMMANDS(COMMAND) \
    COMMAND(NEXT,     KEY_CODE_ENTER,  "next",     "go on: commit, reveal, next step")               \
    COMMAND(BACK,     'b',             "back",     "the step before, read-only")                     \
    COMMAND(HINT,     'h',             "hint",     "the next hint")                                  \
    COMMAND(NO_IDEA,  '-',             "no-idea",  "no idea: stored, not scored")                    \
    COMMAND(SKIP,     'k',             "skip",     "leave this step for later")                      \
    COMMAND(KNOB,     KEY_CODE_TAB,    "knob",     "turn a knob; plain: :knob NAME=VALUE")           \
    COMMAND(AGAIN,    'n',             "again",    "compute again with a new seed")                  \
    COMMAND(TENSOR,   't',             "tensor",   "again on a tensor of your own: FILE TENSOR")     \
    COMMAND(CODE,     'c',             "code",     "the C function that computed it")                \
    COMMAND(DIVE,     'd',             "dive",     "a deep dive for this step")                      \
    COMMAND(COPY,     'y',             "copy",     "copy the result as text")                        \
    COMMAND(REPORT,   '!',             "report",   "write a problem report for this step")           \
    COMMAND(RECOMPUTE,'r',             "recompute","compute a stored outcome again")                 \
    COMMAND(UNDO,     'u',             "undo",     "undo the last reset or grade")                   \
    COMMAND(RESET,    'R',             "reset",    "forget this step's answer (undo with u)")        \
    COMMAND(JUMP,     'j',             "jump",     "go to a step by name")                           \
    COMMAND(MAP,      'm',             "map",      "the course map")                                 \
    COMMAND(RECALL,   'e',             "recall",   "cards due now")                                  \
    COMMAND(SEARCH,   '/',             "search",   "search the deep dives")                          \
    COMMAND(STATS,    's',             "stats",    "your calibration")                               \
    COMMAND(THEME,    'T',             "theme",    "next theme")                                     \
    COMMAND(MOUSE,    'M',             "mouse",    "mouse on or off")                                \
    COMMAND(REDRAW,   0,               "redraw",   "draw the screen anew (Ctrl-L)")                  \
    COMMAND(HELP,     '?',             "help",     "all keys")                                       \
    COMMAND(QUIT,     'q',             "quit",     "leave; everything is saved")

enum command {
#define COMMAND(NAME, key, name, help) COMMAND_##NAME,
    COMMANDS(COMMAND)
#undef COMMAND
    COMMAND_COUNT,
    COMMAND_NONE = COMMAND_COUNT,
};

struct command_info {
    uint32_t    key;
    const char *name, *help;
};
extern const struct command_info command_table[COMMAND_COUNT];

/* The command of a key or of a name (its key, or an unambiguous prefix of at least 2 letters), or COMMAND_NONE. */
enum command command_of_key(uint32_t key);
enum command command_of_name(const char *name);

/* How a key is written for people: "Enter", "Tab", "←", "h". ASCII names when `ascii`. */
const char *command_key_name(uint32_t key, char *out, int size);

#endif
