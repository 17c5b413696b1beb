/* app_state.h: what app.c and app_view.c share. */
#ifndef TUTOR_APP_STATE_H
#define TUTOR_APP_STATE_H

#include "engine/line.h"
#include "tutor/app.h"
#include "tutor/recall.h"

enum place { PLACE_OPENING, PLACE_MAP, PLACE_LESSON, PLACE_RECALL, PLACE_STATS, PLACE_SEARCH };
enum popup { POPUP_NONE, POPUP_HELP, POPUP_JUMP, POPUP_TENSOR, POPUP_DIVE };

enum { MOST_HITS = 32, IDS_A_SESSION = 1000000, CARDS_BEFORE = 3 /* a lesson */ };

struct app {
    const struct catalog  *catalog;
    char                   learner_seed[264]; /* "": none yet */
    enum place             place;
    enum popup             popup;
    const struct document *document;     /* of the lesson on screen, or being opened */
    char                   wanted_step[65];
    struct session        *session;
    struct recall         *recall;
    bool                   warming;      /* recall stands before a lesson that is ready */
    bool                   warmed;       /* it did once, or the learner came for one step: not again */
    json_t                *progress, *cards, *calibration, *settings; /* the store's last answers, or NULL */
    unsigned               asks;         /* bit 1 << data: still to be asked */
    enum data              asking;       /* under way */
    const struct document *asked;        /* what `document` was when it left: a reply about another one is old */
    long                   next_base;    /* first id of the next session or recall */
    long                   record_id;    /* of the app's own records */
    int64_t                now;
    int                    scroll, scroll_limit;
    int                    focus;        /* in the menu on screen */
    struct line            line;         /* search or jump filter */
    const json_t          *dive;         /* POPUP_DIVE */
    long                   dive_request; /* the lab's, for what it computes; 0: none is waited for */
    json_t                *dive_blocks;  /* that, when it has come; else NULL */
    char                   theme[32];
    bool                   mouse;
    char                   message[512];
};

/* The menu on screen, in the order shown: how many items; the lesson of item i of the map; the step index of item i
 * of the jump menu. */
int app_map_count(const struct app *);
int app_jump_items(const struct app *, int *steps, int most);

#endif
