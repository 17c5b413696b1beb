/* options.c: the command line and the environment, read once at the start. See options.h. */
#include "tutor/options.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/schema.h"

enum option_type { FLAG, TEXT, COUNT, SEED, LIST, FILE_AND_NAME };

struct option {
    struct option_info info;
    enum option_type   type;
    size_t             offset;
};

#define AT(field) offsetof(struct options, field)

static const struct option table[] = {
    { { "--plain", NULL, NULL, NULL, "lines instead of screens, for screen readers and scripts" }, FLAG, AT(plain) },
    { { "--db", "FILE", NULL, NULL, "where progress is kept" }, TEXT, AT(db) },
    { { "--lab", "COMMAND", NULL, NULL, "the command that computes, such as 'ssh node saffron lab'" }, TEXT, AT(lab) },
    { { "--device", "auto|cpu|cuda[:N]", NULL, NULL, "what computes" }, TEXT, AT(device) },
    { { "--isa", "NAME", NULL, "scalar|avx2|avx512|neon", "the instruction set that the kernels use" }, TEXT, AT(isa) },
    { { "--threads", "N", NULL, NULL, "of the kernels" }, COUNT, AT(threads) },
    { { "--seed", "N", NULL, NULL, "fixes every random number" }, SEED, AT(seed) },
    { { "--color", "WHEN", NULL, "auto|always|never", "colors" }, TEXT, AT(color) },
    { { "--ascii", NULL, NULL, NULL, "no characters beyond ASCII in drawings" }, FLAG, AT(ascii) },
    { { "--json", NULL, " list stats doctor run kv quantize quality bench inspect class ", NULL,
        "one JSON object instead of text" }, FLAG, AT(json) },
    { { "--knob", "NAME=VALUE", " run shot ", NULL, "turn a knob; may be given again" }, LIST, AT(knobs) },
    { { "--kv-format", "FORMAT", " kv quality ", NULL, "of the KV cache: bf16, fp16, e4m3, int8, int4 ..." }, TEXT,
      AT(kv_format) },
    { { "--context", "TOKENS", " kv quality ", NULL, "of a sequence" }, COUNT, AT(context) },
    { { "--sequences", "N", " kv ", NULL, "held at once" }, COUNT, AT(sequences) },
    { { "--format", "FORMAT", " quantize quality ", NULL, "int8, e4m3, mxfp4, nvfp4 ...: the README lists them" }, TEXT,
      AT(format) },
    { { "--scale", "SCALE", " quantize quality ", NULL, "none, tensor, channel, token, group:N, block:N, tile:RxC" },
      TEXT, AT(scale) },
    { { "--zero-point", "RULE", " quantize quality ", NULL, "none, full, awq, gptq, kivi" }, TEXT, AT(zero_point) },
    { { "--clip", "CLIP", " quantize quality ", NULL, "none, percentile:P, mse" }, TEXT, AT(clip) },
    { { "--mx", "RULE", " quantize quality ", NULL, "floor, ceil: the exponent of MX scales" }, TEXT, AT(mx) },
    { { "--rounding", "MODE", " quantize ", NULL, "nearest, zero, stochastic" }, TEXT, AT(rounding) },
    { { "--overflow", "MODE", " quantize ", NULL, "saturate, native" }, TEXT, AT(overflow) },
    { { "--method", "METHOD", " quantize quality ", NULL, "rtn, llm-int8, smoothquant, gptq, awq, hadamard" }, TEXT,
      AT(method) },
    { { "--alpha", "A", " quantize quality ", NULL, "of smoothquant and awq, 0 to 1; searched unless given" }, TEXT,
      AT(alpha) },
    { { "--damp", "D", " quantize ", NULL, "of gptq, 0.01 by default" }, TEXT, AT(damp) },
    { { "--act-order", NULL, " quantize ", NULL, "gptq takes columns with large inputs first" }, FLAG, AT(act_order) },
    { { "--calib", "FILE TENSOR", " quantize quality ", NULL, "inputs of the layer, for methods that need them" },
      FILE_AND_NAME, AT(calib) },
    { { "--tensor", "FILE TENSOR", " run ", NULL, "compute on a tensor of your own" }, FILE_AND_NAME, AT(tensor) },
    { { "--emit", "LIST", " quantize ", NULL, "codes,scales,dequant: what --out gets; all by default" }, TEXT,
      AT(emit) },
    { { "--out", "FILE", " quantize ", NULL, "write the result as .safetensors" }, TEXT, AT(out) },
    { { "--text", "FILE", " quality ", NULL, "what the model has not seen: a text, or a .npy of tokens" }, TEXT,
      AT(text) },
    { { "--activations", "FORMAT", " quality ", NULL, "of what enters the linear layers" }, TEXT, AT(activations) },
    { { "--activation-scale", "SCALE", " quality ", NULL, "token (dynamic, default), tensor (static)" }, TEXT,
      AT(activation_scale) },
    { { "--outliers", "CHANNELSxTIMES", " quality ", NULL, "plant outlier features first, such as 4x64" }, TEXT,
      AT(outliers) },
    { { "--sample", "BYTES", " quality ", NULL, "let each go on from the beginning of the text" }, COUNT, AT(sample) },
    { { "--tokens", "N", " quality ", NULL, "the first N of the text" }, COUNT, AT(tokens) },
    { { "--to", "FORMAT", " export ", "anki|csv|json", "for whom" }, TEXT, AT(to) },
    { { "-o", "FILE", " shot export class ", NULL, "where it goes" }, TEXT, AT(output) },
    { { "--only", "OP[:FORMAT]", " bench ", NULL, "encode, decode, gemv ...; encode:e4m3" }, TEXT, AT(only) },
    { { "--rounds", "N", " bench ", NULL, "timings of each kernel, 11 by default" }, COUNT, AT(rounds) },
    { { "--size", "SIZE", " shot bench ", NULL, "of a picture: 80x24; of what bench times: dram, cache or both" },
      TEXT, AT(size) },
    { { "--theme", "NAME", " shot ", NULL, "colors of the picture" }, TEXT, AT(theme) },
    { { "--help", NULL, NULL, NULL, "this, or what one command takes" }, FLAG, AT(help) },
    { { "--version", NULL, NULL, NULL, "the version" }, FLAG, AT(version) },
};
enum { OPTION_COUNT = sizeof table / sizeof table[0] };

const struct option_info *options_info(int index)
{
    return index >= 0 && index < OPTION_COUNT ? &table[index].info : NULL;
}

static const struct option *find(const char *name, size_t length)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strlen(table[i].info.name) == length && strncmp(table[i].info.name, name, length) == 0)
            return &table[i];
    if (length == 2 && strncmp(name, "-h", 2) == 0)
        return find("--help", 6);
    return NULL;
}

static bool unknown(const char *arg, size_t length, char *error, size_t size)
{
    const char *names[OPTION_COUNT];
    char given[64];
    for (int i = 0; i < OPTION_COUNT; i++)
        names[i] = table[i].info.name;
    snprintf(given, sizeof given, "%.*s", (int)length, arg);
    const char *nearest = schema_nearest(given, names, OPTION_COUNT);
    if (nearest)
        snprintf(error, size, "unknown option '%s', did you mean '%s'?", given, nearest);
    else
        snprintf(error, size, "unknown option '%s', see 'saffron --help'", given);
    return false;
}

static bool is_choice(const char *value, const char *choices)
{
    size_t n = strlen(value);
    for (const char *at = choices; n > 0 && at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, value, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return true;
    return false;
}

/* As it is read later: in decimal, or in hexadecimal with 0x. */
static bool is_seed(const char *value)
{
    char *end;
    errno = 0;
    (void)strtoull(value, &end, 0);
    return *value >= '0' && *value <= '9' && *end == '\0' && errno == 0;
}

static bool put(const struct option *option, const char *value, struct options *out, char *error, size_t size)
{
    void *field = (char *)out + option->offset;
    if (option->info.choices && !is_choice(value, option->info.choices)) {
        snprintf(error, size, "%s cannot be '%s', it is one of %s", option->info.name, value, option->info.choices);
        return false;
    }
    if (option->type == SEED && !is_seed(value)) {
        snprintf(error, size, "%s cannot be '%s', it is a whole number such as 7 or 0x1f", option->info.name, value);
        return false;
    }
    if (option->type == TEXT || option->type == SEED)
        *(const char **)field = value;
    else if (option->type == COUNT) {
        char *end;
        long count = strtol(value, &end, 10);
        if (*value < '0' || *value > '9' || *end || count < 1 || count > 1000000000) {
            snprintf(error, size, "%s cannot be '%s', it is a whole number from 1 up", option->info.name, value);
            return false;
        }
        *(long *)field = count;
    } else if (out->knob_count == OPTIONS_KNOBS || !strchr(value, '=')) {
        snprintf(error, size, "%s cannot be '%s', it is NAME=VALUE, %d times at most", option->info.name, value,
                 OPTIONS_KNOBS);
        return false;
    } else
        out->knobs[out->knob_count++] = value;
    return true;
}

/* A file, and the tensor in it behind it; one in a .npy file has no name, so that an option may follow at once. */
static bool put_pair(int argc, char **argv, int *i, const char *value, const char **pair)
{
    pair[0] = value;
    pair[1] = *i + 1 < argc && argv[*i + 1][0] != '-' ? argv[++*i] : NULL;
    return true;
}

/* One option at argv[*i], its value perhaps at argv[*i + 1]. */
static bool take(int argc, char **argv, int *i, struct options *out, char *error, size_t size)
{
    const char *arg = argv[*i];
    size_t length = strcspn(arg, "=");
    const struct option *option = find(arg, length);
    if (!option)
        return unknown(arg, length, error, size);
    if (option->type == FLAG) {
        if (arg[length] == '=') {
            snprintf(error, size, "%s takes no value", option->info.name);
            return false;
        }
        *(bool *)((char *)out + option->offset) = true;
        return true;
    }
    const char *value = arg[length] == '=' ? arg + length + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (!value) {
        snprintf(error, size, "%s needs a value: %s", option->info.name, option->info.value);
        return false;
    }
    if (option->type == FILE_AND_NAME)
        return put_pair(argc, argv, i, value, (const char **)((char *)out + option->offset));
    return put(option, value, out, error, size);
}

static bool is_device(const char *device)
{
    if (strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0 || strcmp(device, "cuda") == 0)
        return true;
    return strncmp(device, "cuda:", 5) == 0 && device[5] && !device[5 + strspn(device + 5, "0123456789")];
}

static bool read_environment(struct options *out, char *error, size_t size)
{
    const char *now = getenv("SAFFRON_NOW"), *mask = getenv("SAFFRON_MASK"), *plain = getenv("SAFFRON_PLAIN");
    out->now = -1;
    out->mask = mask && strcmp(mask, "1") == 0;
    out->plain_env = plain && strcmp(plain, "1") == 0;
    if (now && *now && (out->now = options_time(now, &out->now_offset)) < 0) {
        snprintf(error, size, "SAFFRON_NOW cannot be '%s', it is a time such as 2026-01-01T00:00:00Z", now);
        return false;
    }
    return true;
}

bool options_parse(int argc, char **argv, enum options_word (*kind_of)(const char *word), struct options *out,
                   char *error, size_t size)
{
    bool only_words = false;
    memset(out, 0, sizeof *out);
    out->words = (const char **)argv; /* words move to its front: never past the one being read */
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        enum options_word kind = out->command || out->word_count > 0 ? WORD_PLAIN : kind_of(arg);
        if (!only_words && strcmp(arg, "--") == 0)
            only_words = true;
        else if (!only_words && arg[0] == '-' && arg[1]) {
            if (!take(argc, argv, &i, out, error, size))
                return false;
        } else if (kind != WORD_PLAIN)
            out->command = arg;
        else
            out->words[out->word_count++] = arg;
        if (kind == WORD_UNBUILT)
            break;
    }
    if (out->device && !is_device(out->device)) {
        snprintf(error, size, "--device cannot be '%s', it is one of auto, cpu, cuda, cuda:N", out->device);
        return false;
    }
    return read_environment(out, error, size);
}

/* Was this option given? Every option's "not given" is zero. */
static bool given(const struct options *options, const struct option *option)
{
    const void *field = (const char *)options + option->offset;
    switch (option->type) {
    case FLAG: return *(const bool *)field;
    case COUNT: return *(const long *)field != 0;
    case TEXT:
    case SEED:
    case FILE_AND_NAME: return *(const char *const *)field != NULL;
    case LIST: return options->knob_count > 0;
    }
    return false;
}

bool options_sendable(const char *text)
{
    json_t *string = json_string(text);
    json_decref(string);
    return string != NULL;
}

const char *options_unsendable(const struct options *options)
{
    for (int i = 0; i < options->word_count; i++)
        if (!options_sendable(options->words[i]))
            return options->words[i];
    for (int i = 0; i < OPTION_COUNT; i++) {
        const char *const *value = (const void *)((const char *)options + table[i].offset);
        int values = table[i].type == FILE_AND_NAME ? 2 : table[i].type == TEXT ? 1 : 0;
        for (int k = 0; k < values; k++)
            if (value[k] && !options_sendable(value[k]))
                return value[k];
    }
    return NULL;
}

const char *options_misplaced(const struct options *options, const char *command)
{
    char word[32];
    snprintf(word, sizeof word, " %s ", command);
    for (int i = 0; i < OPTION_COUNT; i++)
        if (table[i].info.commands && given(options, &table[i]) && !strstr(table[i].info.commands, word))
            return table[i].info.name;
    return NULL;
}

/* The offset at the end of a time, in minutes east of UTC. */
static bool read_offset(const char *text, long *minutes)
{
    int hour, minute, used = 0;
    char sign;
    *minutes = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if (sscanf(text, "%c%2d:%2d%n", &sign, &hour, &minute, &used) != 3 || text[used] || (sign != '+' && sign != '-'))
        return false;
    *minutes = (sign == '-' ? -1 : 1) * (60 * hour + minute);
    return hour < 24 && minute < 60;
}

int64_t options_time(const char *text, int *offset)
{
    struct tm tm = { 0 };
    int used = 0, milliseconds = 0;
    long east;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &used) != 6 || used != 19)
        return -1;
    text += used;
    if (*text == '.') {
        int scale = 100;
        for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
            milliseconds += (*text - '0') * scale;
    }
    if (!read_offset(text, &east) || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *offset = (int)east;
    return ((int64_t)timegm(&tm) - 60 * east) * 1000 + milliseconds;
}

int64_t options_now(const struct options *options)
{
    struct timespec now;
    if (options->now >= 0)
        return options->now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
