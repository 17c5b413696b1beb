/* bench_draw: drawing a whole heat map anew at 200 x 60, through curses and a pty: time and bytes a frame.
 * Frames: a map of fine noise with outlier columns (the worst case: hardly two neighbors are equal), and a smooth
 * one. */
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tutor/draw.h"
#include "tutor/screen.h"

enum { FRAMES = 40, WIDTH = 200, HEIGHT = 60, ROWS = 128, COLUMNS = 256 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static unsigned noise(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static int level(int row, int column, unsigned *seed, bool smooth)
{
    if (smooth)
        return (int)(7.5 + 7.4 * sin(row / 17.0 + *seed % 7) * cos(column / 31.0));
    int value = (int)(noise(seed) % 4 + noise(seed) % 4);
    return column % 61 == 17 ? 15 : value;
}

static json_t *heat_view(unsigned seed, bool smooth)
{
    json_t *rows = json_array();
    for (int r = 0; r < ROWS; r++) {
        char row[COLUMNS + 1] = "";
        for (int c = 0; c < COLUMNS; c++)
            row[c] = "0123456789abcdef"[level(r, c, &seed, smooth)];
        json_array_append_new(rows, json_string(row));
    }
    return json_pack("{s:s, s:[{s:s, s:o, s:[i,i], s:s}, {s:s, s:s}], s:s}", "title", "The other lever", "body",
                     "view", "heat", "rows", rows, "shape", ROWS, COLUMNS, "measure", "|x|", "view", "prose", "text",
                     "One scale must reach the sack of flour.", "status", "computed now");
}

/* In the pty: draws the frames; says the milliseconds of each to `report`. */
static void draw_frames(int report, bool smooth)
{
    struct screen_options options = { .theme = theme_at(0) };
    struct draw_options draw = { .ascii = false };
    struct draw_result result;
    char error[200];
    json_t *views[2] = { heat_view(1, smooth), heat_view(2, smooth) };
    setenv("TERM", "xterm-256color", 1);
    if (!views[0] || !views[1] || !screen_open(&options, error, sizeof error))
        _exit(1);
    struct canvas *canvas = canvas_new(WIDTH, HEIGHT);
    for (int f = 0; f <= FRAMES; f++) {
        double start = now_ms();
        draw_view(views[f % 2], canvas, &draw, &result);
        double drawn = now_ms();
        screen_flush(canvas, result.cursor_x, result.cursor_y);
        double times[2] = { drawn - start, now_ms() - start };
        if (f > 0 && write(report, times, sizeof times) < 0)
            _exit(1);
    }
    screen_close();
    _exit(0);
}

static int open_pty(char *name, size_t size)
{
    struct winsize window = { .ws_row = HEIGHT, .ws_col = WIDTH };
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ioctl(master, TIOCSWINSZ, &window) != 0)
        return -1;
    snprintf(name, size, "%s", ptsname(master));
    return master;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int bench(const char *name, bool smooth)
{
    char slave[128];
    int master = open_pty(slave, sizeof slave), report[2];
    if (master < 0 || pipe(report) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        int tty = open(slave, O_RDWR);
        dup2(tty, 0);
        dup2(tty, 1);
        close(master);
        draw_frames(report[1], smooth);
    }
    close(report[1]);
    size_t bytes = 0;
    static char buffer[65536];
    struct pollfd fd = { master, POLLIN, 0 };
    while (poll(&fd, 1, 2000) > 0 && !(fd.revents & (POLLHUP | POLLERR)))
        bytes += (size_t)fmax(0, (double)read(master, buffer, sizeof buffer));
    double pairs[FRAMES][2], draw[FRAMES], all[FRAMES];
    ssize_t got = read(report[0], pairs, sizeof pairs);
    waitpid(child, NULL, 0);
    close(master);
    close(report[0]);
    if (got != (ssize_t)sizeof pairs)
        return 1;
    for (int i = 0; i < FRAMES; i++) {
        draw[i] = pairs[i][0];
        all[i] = pairs[i][1];
    }
    qsort(draw, FRAMES, sizeof *draw, by_value);
    qsort(all, FRAMES, sizeof *all, by_value);
    printf("heat map %-7s %d x %d: %.1f ms a frame (drawing %.1f, most %.1f), %zu KB\n", name, WIDTH, HEIGHT,
           all[FRAMES / 2], draw[FRAMES / 2], all[FRAMES - 1], bytes / (FRAMES + 1) / 1000);
    return 0;
}

int main(void)
{
    return bench("noise", false) | bench("smooth", true);
}
