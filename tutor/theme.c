/* theme.c: four themes, and colors for terminals that have fewer. See theme.h. */
#include "tutor/theme.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAT_ANCHORS = 5, OWN = -1 };

struct theme {
    const char *name;
    int32_t     paper, ink;
    bool        solid;               /* writes paper and ink, not the terminal's own */
    int32_t     heat[HEAT_ANCHORS];  /* none to most, mixed to 16 levels */
    int32_t     color[STYLE_HEAT0];  /* OWN: the terminal's foreground */
};

/* ORDER STYLE */
static const struct theme themes[THEME_COUNT] = {
    { .name = "dark", .paper = 0x15171B, .ink = 0xD5D9DF,
      .heat = { 0x22252B, 0x64260F, 0xB84A16, 0xF58F35, 0xFFE6B0 },
      .color = {
          [STYLE_TEXT] = OWN, [STYLE_STRONG] = OWN, [STYLE_DIM] = 0x8B929C, [STYLE_TITLE] = OWN,
          [STYLE_RULE] = 0x4C525B, [STYLE_AXIS] = 0x7D848E, [STYLE_KEY] = OWN, [STYLE_CODE] = 0xB9C4D0,
          [STYLE_QUOTE] = 0xC9C2B2, [STYLE_STRUCK] = 0x6E757F, [STYLE_GUESS] = 0x5CB0FF, [STYLE_OUTCOME] = 0xFFA040,
          [STYLE_VALUE] = 0xC5CBD3, [STYLE_WRONG] = 0x8B929C, [STYLE_LIMIT] = 0xE8EBEF, [STYLE_SIGN] = 0xE066CC,
          [STYLE_EXPONENT] = 0x59C2AE, [STYLE_MANTISSA] = 0xDCC96B, [STYLE_FOCUS] = 0xFFFFFF, [STYLE_ERROR] = 0xFF6F61,
          [STYLE_OK] = 0x86C98A, [STYLE_PART0] = 0xAEB6C0, [STYLE_PART1] = 0x818A96, [STYLE_PART2] = 0xCBD1D8,
          [STYLE_PART3] = 0x636C78, [STYLE_NAN] = 0xB05CE0 } },
    { .name = "light", .paper = 0xFDFCFA, .ink = 0x24272C,
      .heat = { 0xF1EEE9, 0xFAD2A4, 0xEE8A3C, 0xB3431A, 0x4A1507 },
      .color = {
          [STYLE_TEXT] = OWN, [STYLE_STRONG] = OWN, [STYLE_DIM] = 0x6A7079, [STYLE_TITLE] = OWN,
          [STYLE_RULE] = 0xC3C6CB, [STYLE_AXIS] = 0x7E848D, [STYLE_KEY] = OWN, [STYLE_CODE] = 0x3B4754,
          [STYLE_QUOTE] = 0x5F584A, [STYLE_STRUCK] = 0x9CA1A8, [STYLE_GUESS] = 0x0B62C4, [STYLE_OUTCOME] = 0xBF5600,
          [STYLE_VALUE] = 0x3F454D, [STYLE_WRONG] = 0x6A7079, [STYLE_LIMIT] = 0x24272C, [STYLE_SIGN] = 0xB02C74,
          [STYLE_EXPONENT] = 0x0F7A68, [STYLE_MANTISSA] = 0x806500, [STYLE_FOCUS] = 0x000000, [STYLE_ERROR] = 0xB8261A,
          [STYLE_OK] = 0x2F7A35, [STYLE_PART0] = 0x5B636D, [STYLE_PART1] = 0x8A929C, [STYLE_PART2] = 0x3B424A,
          [STYLE_PART3] = 0xA9B0B9, [STYLE_NAN] = 0x8A2FC0 } },
    { .name = "contrast", .paper = 0x000000, .ink = 0xFFFFFF, .solid = true,
      .heat = { 0x000000, 0x505050, 0xA0A0A0, 0xFFD000, 0xFFFFFF },
      .color = {
          [STYLE_TEXT] = OWN, [STYLE_STRONG] = OWN, [STYLE_DIM] = 0xDADADA, [STYLE_TITLE] = OWN,
          [STYLE_RULE] = 0xB0B0B0, [STYLE_AXIS] = 0xDADADA, [STYLE_KEY] = 0xFFFF00, [STYLE_CODE] = OWN,
          [STYLE_QUOTE] = OWN, [STYLE_STRUCK] = 0xB0B0B0, [STYLE_GUESS] = 0x4DC3FF, [STYLE_OUTCOME] = 0xFFB000,
          [STYLE_VALUE] = OWN, [STYLE_WRONG] = 0xDADADA, [STYLE_LIMIT] = OWN, [STYLE_SIGN] = 0xFF8AD8,
          [STYLE_EXPONENT] = 0x5CFFD6, [STYLE_MANTISSA] = 0xFFFF66, [STYLE_FOCUS] = 0xFFFF00, [STYLE_ERROR] = 0xFF7A7A,
          [STYLE_OK] = 0x7CFF7C, [STYLE_PART0] = 0xFFFFFF, [STYLE_PART1] = 0xB8B8B8, [STYLE_PART2] = 0xE0E0E0,
          [STYLE_PART3] = 0x909090, [STYLE_NAN] = 0xFF60FF } },
    { .name = "safe", .paper = 0x15171B, .ink = 0xD5D9DF, /* hues after Okabe and Ito; heat from blue to yellow */
      .heat = { 0x0A2350, 0x3F4D6C, 0x7C7B78, 0xBBAD6C, 0xFDE737 },
      .color = {
          [STYLE_TEXT] = OWN, [STYLE_STRONG] = OWN, [STYLE_DIM] = 0x8B929C, [STYLE_TITLE] = OWN,
          [STYLE_RULE] = 0x4C525B, [STYLE_AXIS] = 0x7D848E, [STYLE_KEY] = OWN, [STYLE_CODE] = 0xB9C4D0,
          [STYLE_QUOTE] = 0xC9C2B2, [STYLE_STRUCK] = 0x6E757F, [STYLE_GUESS] = 0x56B4E9, [STYLE_OUTCOME] = 0xE69F00,
          [STYLE_VALUE] = 0xC5CBD3, [STYLE_WRONG] = 0x8B929C, [STYLE_LIMIT] = 0xE8EBEF, [STYLE_SIGN] = 0xCC79A7,
          [STYLE_EXPONENT] = 0x009E73, [STYLE_MANTISSA] = 0xF0E442, [STYLE_FOCUS] = 0xFFFFFF, [STYLE_ERROR] = 0xD55E00,
          [STYLE_OK] = 0x56B4E9, [STYLE_PART0] = 0xAEB6C0, [STYLE_PART1] = 0x818A96, [STYLE_PART2] = 0xCBD1D8,
          [STYLE_PART3] = 0x636C78, [STYLE_NAN] = 0xCC79A7 } },
};

/* Attributes beside the colors; without colors, they are all there is. ORDER STYLE */
static const struct {
    uint8_t colored, mono;
} attributes[STYLE_COUNT] = {
    [STYLE_STRONG] = { LOOK_BOLD, LOOK_BOLD },     [STYLE_TITLE] = { LOOK_BOLD, LOOK_BOLD },
    [STYLE_KEY] = { LOOK_BOLD, LOOK_BOLD },        [STYLE_QUOTE] = { LOOK_ITALIC, 0 },
    [STYLE_STRUCK] = { LOOK_STRUCK, LOOK_DIM },    [STYLE_GUESS] = { LOOK_BOLD, LOOK_BOLD | LOOK_UNDERLINE },
    [STYLE_OUTCOME] = { LOOK_BOLD, LOOK_BOLD },    [STYLE_DIM] = { 0, LOOK_DIM },
    [STYLE_RULE] = { 0, LOOK_DIM },                [STYLE_SIGN] = { 0, LOOK_BOLD },
    [STYLE_EXPONENT] = { 0, LOOK_UNDERLINE },      [STYLE_FOCUS] = { LOOK_BOLD, LOOK_REVERSE },
    [STYLE_ERROR] = { LOOK_BOLD, LOOK_BOLD },      [STYLE_OK] = { 0, LOOK_BOLD },
    [STYLE_LIMIT] = { LOOK_BOLD, LOOK_BOLD },      [STYLE_NAN] = { 0, LOOK_REVERSE },
};

const struct theme *theme_find(const char *name)
{
    for (int i = 0; i < THEME_COUNT; i++)
        if (strcmp(themes[i].name, name) == 0)
            return &themes[i];
    return NULL;
}

const struct theme *theme_at(int i)
{
    return &themes[((i % THEME_COUNT) + THEME_COUNT) % THEME_COUNT];
}

const char *theme_name(const struct theme *theme)
{
    return theme->name;
}

/* COLORFGBG is "15;0" or "0;default;15": the background is the last number; 7 and 9 to 15 are light. */
const char *theme_guess(void)
{
    const char *colors = getenv("COLORFGBG"), *last = colors ? strrchr(colors, ';') : NULL;
    int background = last && last[1] >= '0' && last[1] <= '9' ? atoi(last + 1) : 0;
    return background == 7 || background > 8 ? "light" : "dark";
}

int32_t theme_paper(const struct theme *theme)
{
    return theme->paper;
}

int32_t theme_ink(const struct theme *theme)
{
    return theme->ink;
}

/* a and b mixed, `share` of b. */
static int32_t mix(int32_t a, int32_t b, double share)
{
    int32_t out = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
        double x = (a >> shift) & 0xFF, y = (b >> shift) & 0xFF;
        out |= (int32_t)lrint(x + (y - x) * share) << shift;
    }
    return out;
}

static int32_t heat_color(const struct theme *theme, int level)
{
    double at = level * (HEAT_ANCHORS - 1) / 15.0;
    int low = (int)at;
    if (low >= HEAT_ANCHORS - 1)
        return theme->heat[HEAT_ANCHORS - 1];
    return mix(theme->heat[low], theme->heat[low + 1], at - low);
}

/* A color behind text is the style's color, taken most of the way to the paper so that text stays readable on it;
 * levels and NaN of a heat map are themselves. */
static int32_t fill_color(const struct theme *theme, enum style back)
{
    if (back >= STYLE_HEAT0)
        return heat_color(theme, (int)(back - STYLE_HEAT0));
    int32_t color = theme->color[back] == OWN ? theme->ink : theme->color[back];
    return back == STYLE_NAN ? color : mix(color, theme->paper, 0.66);
}

struct look theme_look(const struct theme *theme, enum style style, enum style back)
{
    bool heat = style >= STYLE_HEAT0;
    struct look look = { .fg = heat ? heat_color(theme, (int)(style - STYLE_HEAT0)) : theme->color[style],
                         .bg = back == STYLE_TEXT ? OWN : fill_color(theme, back),
                         .attributes = attributes[style].colored };
    if (back != STYLE_TEXT && look.fg == OWN)
        look.fg = theme->ink;
    if (theme->solid) {
        look.fg = look.fg == OWN ? theme->ink : look.fg;
        look.bg = look.bg == OWN ? theme->paper : look.bg;
    }
    return look;
}

struct look theme_mono(enum style style)
{
    return (struct look){ OWN, OWN, attributes[style].mono };
}

/* ------------------------------------------------------------------------------------------------- fewer colors */

/* The color of a number in xterm's palette: 16 named ones, a cube of 6x6x6, 24 greys. */
static int32_t palette(int i)
{
    static const int32_t named[16] = { 0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5,
                                       0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF };
    static const int32_t steps[6] = { 0, 95, 135, 175, 215, 255 };
    if (i < 16)
        return named[i];
    if (i >= 232)
        return (8 + 10 * (i - 232)) * 0x010101;
    i -= 16;
    return steps[i / 36] << 16 | steps[i / 6 % 6] << 8 | steps[i % 6];
}

/* Squared distance as the eye weighs it: red counts more in bright colors, blue more in dark ones. */
static double distance(int32_t a, int32_t b)
{
    double red = ((a >> 16) + (b >> 16)) / 2.0;
    double r = (a >> 16) - (b >> 16), g = ((a >> 8) & 0xFF) - ((b >> 8) & 0xFF), u = (a & 0xFF) - (b & 0xFF);
    return (2 + red / 256) * r * r + 4 * g * g + (2 + (255 - red) / 256) * u * u;
}

/* How colorful a color is: 0 for greys, 255 at most. */
static int chroma(int32_t rgb)
{
    int r = rgb >> 16, g = (rgb >> 8) & 0xFF, b = rgb & 0xFF;
    int most = r > g ? r : g, least = r < g ? r : g;
    most = b > most ? b : most;
    least = b < least ? b : least;
    return most - least;
}

static int luma(int32_t rgb)
{
    return 2 * (rgb >> 16) + 5 * ((rgb >> 8) & 0xFF) + (rgb & 0xFF);
}

int theme_nearest(int32_t rgb, int colors)
{
    bool few = colors < 256, grey = chroma(rgb) < 48;
    int best = -1;
    for (int i = few ? 0 : 16; i < colors && i < 256; i++) {
        if (few && grey != (chroma(palette(i)) == 0))
            continue;
        if (best < 0 || distance(palette(i), rgb) < distance(palette(best), rgb))
            best = i;
    }
    return few && grey && colors < 16 ? -1 : best;
}

/* The levels' numbers among 256 colors: each the nearest that goes on in brightness from the level before, since the
 * palette has so few dark tones that plain rounding would make several levels one. */
int theme_level(const struct theme *theme, int level)
{
    int rising = luma(heat_color(theme, 15)) > luma(heat_color(theme, 0)) ? 1 : -1, last = -1;
    for (int l = 0; l <= level; l++) {
        int best = -1;
        for (int i = 16; i < 256; i++) {
            if (last >= 0 && (luma(palette(i)) - luma(palette(last))) * rising < 12)
                continue;
            if (best < 0 || distance(palette(i), heat_color(theme, l)) < distance(palette(best), heat_color(theme, l)))
                best = i;
        }
        last = best < 0 ? last : best;
    }
    return last;
}
