/* commands.c: the one table of what can stand behind `saffron`. See commands.h. */
#include "tutor/commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ANY (-1)

const struct cli cli_table[] = {
    { "read", "LESSON", "the lesson as prose; outcomes not yet predicted stay hidden", command_read, 1, 1 },
    { "list", "", "the lessons, and where you stand in each", command_list, 0, 0 },
    { "stats", "", "how well your confidence fits", command_stats, 0, 0 },
    { "doctor", "", "what was found on this machine, and what was not", command_doctor, 0, 0 },
    { "run", "LESSON:STEP", "compute a step again, after its commit only", command_run, 1, 1 },
    { "recall", "", "the cards that are due", command_recall, 0, 0 },
    { "ask", "WORDS", "search the deep dives", command_ask, 1, ANY },
    { "inspect", "FILE [TENSOR]", "browse .safetensors, .gguf and .npy", command_inspect, 1, 2 },
    { "quantize", "FILE [TENSOR]", "quantize a tensor and measure the damage", command_quantize, 1, 2 },
    { "quality", "DIR --text FILE", "a language model's loss in any format", command_quality, 1, 1 },
    { "kv", "CONFIG.json", "what a conversation costs in memory", command_kv, 1, 1 },
    { "fit", "CONFIG.json --gpu NAME", "what fits on a GPU", NULL, 0, ANY },
    { "bench", "", "measure this machine", command_bench, 0, 0 },
    { "probe", "", "measure this machine, or a server", NULL, 0, ANY },
    { "cluster", "", "show or edit \"your cluster\"", NULL, 0, ANY },
    { "check", "FILE.lua...", "lint and run lessons; exit status 1 on findings", command_check, 1, ANY },
    { "new", "FILE.lua", "start a lesson", NULL, 0, ANY },
    { "dev", "FILE.lua", "live reload while editing a lesson", NULL, 0, ANY },
    { "export", "--to anki|csv|json", "your progress for other programs", command_export, 0, 0 },
    { "import", "FILE", "progress from another machine", command_import, 1, 1 },
    { "backup", "FILE", "a copy of the database", command_backup, 1, 1 },
    { "restore", "FILE", "the database from a copy", command_restore, 1, 1 },
    { "class", "FILE...", "an instructor's view over many exports; -o writes a web page", command_class, 1, ANY },
    { "set", "[NAME [VALUE]]", "show or change settings", command_set, 0, 2 },
    { "lab", "", "the process that computes, on stdin and stdout", NULL, 0, ANY }, /* main() runs it */
    { "shot", "LESSON:STEP -o FILE.svg", "a picture of a screen", command_shot, 1, 1 },
    { NULL, NULL, NULL, NULL, 0, 0 },
};

const struct cli *commands_find(const char *name)
{
    for (const struct cli *cli = cli_table; cli->name; cli++)
        if (strcmp(cli->name, name) == 0)
            return cli;
    return NULL;
}

static bool is_built(const struct cli *cli)
{
    return cli->run || strcmp(cli->name, "lab") == 0;
}

enum options_word commands_kind(const char *word)
{
    const struct cli *cli = commands_find(word);
    return !cli ? WORD_PLAIN : is_built(cli) ? WORD_COMMAND : WORD_UNBUILT;
}

static void print_option(const struct option_info *option)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", option->name, option->value ? " " : "", option->value ? option->value : "");
    if (option->choices)
        snprintf(left, sizeof left, "%s %s", option->name, option->choices);
    printf("  %-33s %s\n", left, option->help);
}

static void print_options(const char *command)
{
    char word[32];
    snprintf(word, sizeof word, " %s ", command ? command : "");
    for (int i = 0; options_info(i); i++) {
        const struct option_info *option = options_info(i);
        if (command ? option->commands && strstr(option->commands, word) : !option->commands)
            print_option(option);
    }
}

void commands_help(const struct cli *one)
{
    if (one) {
        printf("saffron %s%s%s\n%s%s\n", one->name, *one->args ? " " : "", one->args, one->help,
               is_built(one) ? "" : " (not built yet: comes with a later version)");
        print_options(one->name);
        puts("  'saffron --help' lists the options that every command takes");
        return;
    }
    puts("Saffron teaches how large language models are quantized: predict, then see it computed.\n\n"
         "  saffron                           the first prediction; later the course map\n"
         "  saffron LESSON                    a lesson, by id or by path");
    for (const struct cli *cli = cli_table; cli->name; cli++)
        if (is_built(cli))
            printf("  saffron %-8s %-16s %s\n", cli->name, cli->args, cli->help);
    puts("\nEverywhere:");
    print_options(NULL);
    fputs("\nNot built yet:", stdout);
    for (const struct cli *cli = cli_table; cli->name; cli++)
        if (!is_built(cli))
            printf(" %s", cli->name);
    puts("\nExit status: 0 done, 1 the answer is \"no\", 2 wrong usage or unreadable input.");
}

int commands_fail(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    fflush(stdout);
    fprintf(stderr, "saffron: %s\n", text);
    return EXIT_USAGE;
}

const char *commands_masked(const struct options *options, const char *text)
{
    return options->mask ? "<measured>" : text;
}

int commands_run(const struct options *options)
{
    if (!options->command)
        return command_open(options);
    const struct cli *cli = commands_find(options->command);
    if (!cli->run)
        return commands_fail("'%s' is not built yet, it comes with a later version", cli->name);
    const char *misplaced = options_misplaced(options, cli->name);
    if (misplaced)
        return commands_fail("'%s' does not take %s, see 'saffron %s --help'", cli->name, misplaced, cli->name);
    if (options->word_count == 0 && cli->least > 0 && !options_misplaced(options, "")) {
        int status = commands_open_namesake(options);
        if (status >= 0)
            return status;
    }
    if (options->word_count < cli->least)
        return commands_fail("'%s' needs %s, see 'saffron %s --help'", cli->name, cli->args, cli->name);
    if (cli->most >= 0 && options->word_count > cli->most)
        return commands_fail("'%s' does not know what to do with '%s', see 'saffron %s --help'", cli->name,
                             options->words[cli->most], cli->name);
    return cli->run(options);
}
