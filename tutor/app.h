/* app.h: everything between the keyboard and the actors that is not I/O: the map, the lesson on screen, recall, search,
 * jump, help and statistics. As pure as the session, which is its lesson part.
 *   app_feed(app, event, outbox) -> effects */
#ifndef TUTOR_APP_H
#define TUTOR_APP_H

#include "engine/session.h"
#include "tutor/catalog.h"

struct app;

/* `catalog` must outlive the app. `learner_seed` (copied) NULL: the setting "seed". */
struct app *app_new(const struct catalog *catalog, const char *learner_seed);
void        app_free(struct app *);

/* Where to begin; each asks the store for what it needs (FX_ASK), and the screen follows when that has come.
 * app_lesson: `step` NULL is the first open one. `document` must outlive the app. */
enum app_start { APP_MAP, APP_RECALL, APP_STATS };
unsigned app_begin(struct app *, enum app_start, struct outbox *);
unsigned app_lesson(struct app *, const struct document *document, const char *step, struct outbox *);

/* Besides the events of event.h. FX_DONE: the learner has left. */
unsigned app_feed(struct app *, const struct event *, struct outbox *);

/* The screen as a view (view.h), a new reference; and which lines of its body are above the top. */
json_t  *app_view(const struct app *);
int      app_scroll(const struct app *);
/* How far the body can scroll, as drawn last: set by who draws. */
void     app_scroll_limit(struct app *, int lines);

/* A line from the loop for the learner, shown until the next key. */
void app_say(struct app *, const char *message);

const char           *app_theme(const struct app *); /* "" until the settings have come */
bool                  app_mouse(const struct app *);
const struct session *app_session(const struct app *); /* the lesson on screen, or NULL */
bool                  app_busy(const struct app *);    /* an answer is awaited: plain mode reads no line */
bool                  app_recalling(const struct app *); /* a card is on screen */
bool                  app_warming(const struct app *);   /* it is one of the few before a lesson */
enum session_wants    app_wants(const struct app *);
/* A lesson's map line, for lists in plain mode: "step 3 of 6", "done · 6 of 7 right", "not started". */
void app_lesson_state(const struct document *, const json_t *progress, char *out, size_t size);

#endif
