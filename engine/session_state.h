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

    json_t     *given;                  /* live facts of this step, when they have come */
    json_t     *shown;                  /* result on screen: {"answer", "blocks", "provenance"} */
    bool        explored;               /* `shown` is of other knobs or another seed than the stored result */
    json_t     *knobs;                  /* name -> value */
    int         knob;                   /* with the focus, -1: none */
    int         again;                  /* how many other seeds were tried */
    long        request_id;             /* lab request waited for, 0: none */
    bool        stale;                  /* knobs moved while it ran: send another when it ends */
    double      fraction;               /* of the running request */
    char        label[128];
    int         losses;                 /* labs that this step ended */
    json_t     *overlay;                /* blocks over the body: source, hints, a dive; NULL: none */
};

/* The step on screen and its durable state. At PHASE_FINISHED these are the last step's. */
const struct step *session_here(const struct session *);
struct step_state *session_state_here(const struct session *);
/* What an empty input line still means text for: an explanation being written. */
bool session_writing(const struct session *);

#endif
