/* main.c: the command line. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "tutor/commands.h"

int main(int argc, char **argv)
{
    struct options options;
    char error[512];
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
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
