/* session_state.h: what session.c and session_view.c share: the state of a session.
 * Durable state is the fold of acknowledged records (apply in session.c); the rest is gone when the tutor ends. */
#ifndef ENGINE_SESSION_STATE_H
#define ENGINE_SESSION_STATE_H

#include "engine/line.h"
#include "engine/session.h"

/* Where the step on screen stands. */
enum phase {
    PHASE_READ,      /* read step */
    PHASE_ANSWER,    /* the guess, the cells, the words, or the covered card */
    PHASE_SURE,      /* how sure; its key commits */
    PHASE_SAVING,    /* the commit is on its way to the store; nothing else happens */
    PHASE_COMMITTED, /* the guess is durable (or the learner chose to go on unsaved): the outcome is computed */
    PHASE_FAILED,    /* the lab could not; Enter tries again */
    PHASE_GRADE,     /* the card's back is shown: again or good */
    PHASE_REVEALED,
    PHASE_FINISHED,  /* past the last step */
};

/* One step's durable state. JSON values are NULL until their record is stored. */
struct step_state {
    json_t *guess;   /* payload of the prediction */
    json_t *answer;  /* payload of a fill or an explanation */
    json_t *result;  /* payload of the result */
    json_t *review;  /* payload of the last review (recall step) */
    json_t *draft;   /* payload of the last draft */
    int64_t result_utc;
    int     hints;   /* shown */
    int     attempt; /* raised by every reset, so that the seed changes */
    bool    seen, skipped;
};

/* A record under way to the store. */
struct pending {
    long    id;
    json_t *record;
    bool    waits; /* the outbox was taken when it was posted: it leaves with a later event */
};

/* What a computation may vary. The map of knobs is never changed in place: a trial holds a reference. */
struct trial {
    json_t *knobs;   /* name -> value */
    int     again;   /* how many other seeds were tried */
    json_t *own;     /* {"path", "tensor"} of the learner's own, or NULL: the step's; never changed in place either */
};

enum { MOST_PENDING = 16, MOST_OPTIONS = 16, MOST_CELLS = 128 };

struct session {
    const struct document *document;
    char                  *learner_seed;
    struct step_state     *states;      /* one a step */
    struct pending         pending[MOST_PENDING];
    long                   next_id;
    int64_t                now;

    int         at;                     /* the step on screen */
    enum phase  phase;
    int64_t     shown_at;
    char        message[512];           /* until the next key */

    struct line line;                   /* what is being typed */
    char        echo[256];              /* as understood, or why not */
    double      place;                  /* where the mark stands */
    int         focus;                  /* option, or cell, with the focus */
    bool        grabbed;                /* the focused item moves with the keys */
    int         order[MOST_OPTIONS];    /* options as shown: indices into the step's own list */
    int         cells[MOST_CELLS];      /* choice of each cell, -1: empty */
    bool        commanding;             /* explain: Esc made letters commands */
    int         hints;                  /* shown now; the durable count may lag */

    json_t     *guess;                  /* being committed: {"value", "text", "raw"} */
    int         confidence;
    bool        unsaved;                /* this step goes on without the store */
    bool        offered;                /* going on unsaved is on offer */
    long        commit_id;              /* record whose storing is waited for, 0: none */
    enum phase  uncommitted;            /* where to go back to if it is refused */

    json_t     *given;                  /* live facts of this step, when they have come */
    json_t     *shown;                  /* result on screen: {"answer", "blocks", "provenance"} */
    struct trial shown_trial;           /* what `shown` was computed with */
    struct trial trial;                 /* as turned now */
    int         knob;                   /* with the focus, -1: none */
    int         bit;                    /* of a knob that is a code, the place with the focus */
    long        request_id;             /* lab request waited for, 0: none */
    const char *expects;                /* what its reply is: "result", "given", "source", "dive" */
    struct trial asked;                 /* what the running request was sent with */
    bool        stale;                  /* knobs moved while it ran: send another when it ends */
    double      fraction;               /* of the running request */
    char        label[128];
    int         losses;                 /* labs that this step ended */
    json_t     *overlay;                /* blocks over the body: source, hints, a dive; NULL: none */
    int         source;                 /* which of the outcome's functions c shows next */
    int         dive;                   /* which of the step's deep dives d shows next */

    int               reset_at;         /* the step that was reset last, while that can be undone, else -1 */
    struct step_state reset_state;      /* what it was before */
    char              reset_uuid[64];   /* of the reset's event */
};

/* The step on screen and its durable state. At PHASE_FINISHED these are the last step's. */
const struct step *session_here(const struct session *);
struct step_state *session_state_here(const struct session *);
/* What an empty input line still means text for: an explanation being written. */
bool session_writing(const struct session *);
/* Goes on to the next step, or to the end of the lesson. */
unsigned session_advance(struct session *, struct outbox *);

/* --- session_record.c: durable state ------------------------------------------------------------------------------ */

/* Puts `value` (its reference) into a slot and drops what was there. */
void session_set(json_t **slot, json_t *value);
/* Empties one step's state but for its attempt. */
void session_forget(struct step_state *);
/* The one place where a stored record changes a session: used after the store's answer and by restore. */
void session_apply(struct session *, const json_t *record, int64_t utc);
/* Hands one record to the store, at once or behind the one that this event has posted already; takes `payload`.
 * Returns its id, 0 when too many are under way. */
long session_post(struct session *, struct outbox *, const char *kind, json_t *payload);
/* Sends the oldest record that waits, where the outbox is free. */
unsigned session_send(struct session *, struct outbox *);

/* --- session_answer.c: making a guess ----------------------------------------------------------------------------- */

/* The options of the step on screen in the learner's own order; how many; their ids as shown, a new reference. */
void    session_shuffle(struct session *);
int     session_option_count(const struct session *);
json_t *session_order(const struct session *);
/* Reads the guess that stands on screen into s->guess; false with the reason in s->echo. */
bool session_read_guess(struct session *);
/* Sets the focused cell from a digit or a choice's text and goes on to the next; how many are empty; texts of all. */
bool    session_set_cell(struct session *, const char *text);
int     session_empty_cells(const struct session *);
json_t *session_cells(const struct session *, int *right, int *all);
/* Arrow keys and the space bar (0: the key is none of these); printable and editing keys; whether a key starts
 * a text. */
unsigned session_answer_key(struct session *, uint32_t key);
unsigned session_type_key(struct session *, uint32_t key);
bool     session_starts_text(const struct session *, uint32_t key);
/* The middle of an axis, as its scale has it: where the mark of a place starts. */
double   session_middle(const json_t *rule);
/* Says in s->echo how the line is understood. */
void session_echo(struct session *);

/* --- session_commit.c: the store ---------------------------------------------------------------------------------- */

/* Posts a record and waits in PHASE_SAVING for the store's answer; a refusal leads back to the phase of now. */
unsigned session_commit(struct session *, struct outbox *, const char *kind, json_t *payload);
/* Commits of a prediction, of cells or words, of a card's grade: PHASE_SAVING until the store answers. */
unsigned session_commit_prediction(struct session *, struct outbox *);
unsigned session_commit_answer(struct session *, struct outbox *);
unsigned session_grade(struct session *, struct outbox *, bool good);
/* The commit is durable, or the learner goes on without: what comes next. */
unsigned session_committed(struct session *, struct outbox *);
/* Shows a prediction's outcome and posts its result. */
unsigned session_reveal(struct session *, struct outbox *, const json_t *outcome);
/* Posts that the step was skipped, and why. */
unsigned session_skip(struct session *, struct outbox *, const char *why);
/* The store's answers. */
unsigned session_stored(struct session *, const struct event *, struct outbox *);
unsigned session_not_stored(struct session *, const struct event *);

/* --- session_lab.c: the lab --------------------------------------------------------------------------------------- */

/* A step's seed at an attempt: 16 hex digits. */
void session_seed(const struct session *, int attempt, char hex[17]);
/* Asks for what a live deep dive computes. */
unsigned session_request_dive(struct session *, const char *dive, struct outbox *);

/* Asks for the outcome at the knobs and seed of now. */
unsigned session_request_outcome(struct session *, struct outbox *);
/* What a step asks by itself: its live facts before the guess, or an explore step's outcome. */
unsigned session_ask_lab(struct session *, struct outbox *);
/* The request came to nothing. */
unsigned session_failed(struct session *, const char *why);
/* The lab's messages; the lab is gone. */
unsigned session_from_lab(struct session *, const struct event *, struct outbox *);
unsigned session_lab_lost(struct session *, const struct event *, struct outbox *);

/* --- session_knobs.c ---------------------------------------------------------------------------------------------- */

/* The step's knobs; whether they can be turned now; one turn of the focused one; "NAME=VALUE". */
const json_t *session_knobs(const struct session *);
/* A trial becomes another, or that of the stored result: the knobs as the step has them and its own seed. */
void          session_set_trial(struct trial *, const struct trial *);
void          session_first_trial(const struct session *, struct trial *);
/* True if what is shown was computed with other knobs or another seed than the stored result. */
bool          session_explored(const struct session *);
bool          session_knobs_open(const struct session *);
unsigned      session_turn(struct session *, struct outbox *, int direction);
bool          session_flips(const struct session *);      /* the focused knob is a code: its bits can be flipped */
unsigned      session_flip(struct session *, struct outbox *);
unsigned      session_set_knob(struct session *, struct outbox *, const char *text);

#endif
