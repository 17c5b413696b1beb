/* paths.c: where things are. See paths.h. */
#include "tutor/paths.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

bool paths_program(char *out, size_t size)
{
    char real[PATH_MAX];
#ifdef __APPLE__
    char link[PATH_MAX];
    uint32_t length = sizeof link;
    if (_NSGetExecutablePath(link, &length) != 0 || !realpath(link, real))
        return false;
#else
    if (!realpath("/proc/self/exe", real))
        return false;
#endif
    return snprintf(out, size, "%s", real) < (int)size;
}

void paths_folder(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(out, size, ".");
    else
        snprintf(out, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

void paths_join(const char *folder, const char *name, char *out, size_t size)
{
    size_t n = strlen(folder);
    snprintf(out, size, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
}

bool paths_is_file(const char *lesson)
{
    size_t n = strlen(lesson);
    return strchr(lesson, '/') || (n > 4 && strcmp(lesson + n - 4, ".lua") == 0);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool paths_data(char *out, size_t size)
{
    const char *given = getenv("SAFFRON_DATA");
    char program[PATH_MAX], folder[PATH_MAX];
    if (given && *given) {
        snprintf(out, size, "%s", given);
        return is_folder(out);
    }
    if (!paths_program(program, sizeof program))
        return false;
    paths_folder(program, folder, sizeof folder);
    paths_join(folder, "../share/saffron", out, size);
    if (!is_folder(out))
        paths_join(folder, "data", out, size);
    return is_folder(out);
}

bool paths_modules(char *out, size_t size)
{
    char program[PATH_MAX], folder[PATH_MAX];
    *out = '\0';
    if (!paths_program(program, sizeof program))
        return false;
    paths_folder(program, folder, sizeof folder);
    paths_join(folder, "../lib/saffron", out, size);
    if (!is_folder(out))
        paths_join(folder, "lib", out, size);
    if (!is_folder(out))
        *out = '\0';
    return *out != '\0';
}

/* Makes a folder and its parents; an existing one is fine. */
static bool make_folders(const char *path)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return false;
    for (char *at = part + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST && !is_folder(part))
            return false;
        *at = '/';
    }
    return mkdir(part, 0700) == 0 || is_folder(part);
}

bool paths_state(bool make, char *out, size_t size, char *error, size_t error_size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/') /* the specification says that relative paths are to be ignored */
        paths_join(state, "saffron", out, size);
    else {
        const struct passwd *user = home && *home ? NULL : getpwuid(getuid());
        if (!(home && *home) && !(user && user->pw_dir)) {
            snprintf(error, error_size, "cannot tell where your home is, set HOME or say --db FILE");
            return false;
        }
        paths_join(home && *home ? home : user->pw_dir, ".local/state/saffron", out, size);
    }
    if (make && !make_folders(out)) {
        snprintf(error, error_size, "cannot make the folder '%s': %s, say --db FILE to keep progress elsewhere", out,
                 strerror(errno));
        return false;
    }
    return true;
}

bool paths_cache(char *out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        paths_join(cache, "saffron", out, size);
    else if (home && *home)
        paths_join(home, ".cache/saffron", out, size);
    else
        return false;
    return make_folders(out);
}

bool paths_database(const char *given, char *out, size_t size, char *error, size_t error_size)
{
    char state[PATH_MAX];
    if (given) {
        if (*given && snprintf(out, size, "%s", given) < (int)size)
            return true;
        snprintf(error, error_size, "--db cannot be '%s', it is the path of a file", given);
        return false;
    }
    if (!paths_state(false, state, sizeof state, error, error_size))
        return false;
    paths_join(state, "progress.db", out, size);
    return true;
}
