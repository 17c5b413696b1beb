/* clip.h: text that leaves the tutor: to the clipboard and to files in the state directory. */
#ifndef TUTOR_CLIP_H
#define TUTOR_CLIP_H

#include <stdbool.h>
#include <stddef.h>

/* Offers the text to the terminal's clipboard (OSC 52, which terminals may refuse) and keeps it as copied.txt in the
 * state directory. `said`: where it is now, or what failed, one line. */
void clip_copy(const char *text, char *said, size_t size);

/* Writes a new file `name-N.json` in the state directory. `said`: its path, or what failed. */
bool clip_report(const char *name, const char *text, char *said, size_t size);

#endif
