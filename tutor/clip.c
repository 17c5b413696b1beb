/* clip.c: copying and problem reports. See clip.h. */
#include "tutor/clip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tutor/paths.h"

enum { LARGEST_OSC52 = 74000, MOST_REPORTS = 1000 }; /* xterm takes about 75 KB after encoding */

/* RFC 4648 base64; the caller frees it. */
static char *base64(const char *text, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = (const uint8_t *)text;
    char *out = malloc((n + 2) / 3 * 4 + 1), *p = out;
    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three =
            (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0) | (i + 2 < n ? in[i + 2] : 0);
        *p++ = digits[three >> 18];
        *p++ = digits[three >> 12 & 63];
        *p++ = i + 1 < n ? digits[three >> 6 & 63] : '=';
        *p++ = i + 2 < n ? digits[three & 63] : '=';
    }
    *p = '\0';
    return out;
}

static bool write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, text, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        text += done;
        n -= (size_t)done;
    }
    return true;
}

static bool write_file(const char *path, int flags, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, text, strlen(text));
    return close(fd) == 0 && ok;
}

void clip_copy(const char *text, char *said, size_t size)
{
    char folder[2048], path[4096], error[512];
    size_t n = strlen(text);
    char *code = n <= LARGEST_OSC52 ? base64(text, n) : NULL;
    if (code && isatty(STDOUT_FILENO)) {
        write_all(STDOUT_FILENO, "\033]52;c;", 7);
        write_all(STDOUT_FILENO, code, strlen(code));
        write_all(STDOUT_FILENO, "\033\\", 2);
    }
    free(code);
    if (!paths_state(true, folder, sizeof folder, error, sizeof error)) {
        snprintf(said, size, "%s", error);
        return;
    }
    paths_join(folder, "copied.txt", path, sizeof path);
    if (write_file(path, O_TRUNC, text))
        snprintf(said, size, "copied as text, also to %s", path);
    else
        snprintf(said, size, "cannot write '%s': %s", path, strerror(errno));
}

bool clip_report(const char *name, const char *text, char *said, size_t size)
{
    char folder[2048], path[4096], file[160], error[512];
    if (!paths_state(true, folder, sizeof folder, error, sizeof error)) {
        snprintf(said, size, "%s", error);
        return false;
    }
    for (int i = 1; i <= MOST_REPORTS; i++) {
        snprintf(file, sizeof file, "%.100s-%d.json", name, i);
        paths_join(folder, file, path, sizeof path);
        if (write_file(path, O_EXCL, text)) {
            snprintf(said, size, "report written to %s: say there what is wrong", path);
            return true;
        }
        if (errno != EEXIST)
            break;
    }
    snprintf(said, size, "cannot write '%s': %s", path, strerror(errno));
    return false;
}
