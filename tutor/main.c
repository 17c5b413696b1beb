/* main.c: the command line. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "engine/lab.h"
#include "tutor/commands.h"
#include "tutor/paths.h"

/* The lab takes no options: what it needs to know travels in messages. */
static int run_lab(int argc, char **argv)
{
    char data[4096] = "", modules[4096] = "";
    paths_data(data, sizeof data);
    paths_modules(modules, sizeof modules);
    return lab_main(argc, argv, &(struct lab_place){ .data = data, .modules = modules, .version = SAFFRON_VERSION });
}

int main(int argc, char **argv)
{
    struct options options;
    char error[512];
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    if (argc > 1 && strcmp(argv[1], "lab") == 0)
        return run_lab(argc - 1, argv + 1);
    if (!options_parse(argc, argv, commands_kind, &options, error, sizeof error))
        return commands_fail("%s", error);
    if (options.version)
        return printf("saffron %s\n", SAFFRON_VERSION) < 0;
    if (options.help) {
        commands_help(options.command ? commands_find(options.command) : NULL);
        return EXIT_DONE;
    }
    return commands_run(&options);
}
