/* event.h: everything that can happen to the tutor, in one queue; and what its state machines answer.
 * Keys, resizes, ticks, store replies and lab messages are all events; each carries its time, since no state machine
 * reads a clock. */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/command.h"

enum event_kind {
    EVENT_KEY,        /* key */
    EVENT_TEXT,       /* text: pasted, or a line of plain mode; typed into the input that has the focus */
    EVENT_COMMAND,    /* command, and text as its argument (":knob times=60" has "times=60") */
    EVENT_CONFIDENCE, /* confidence 0..3 */
    EVENT_RESIZE,     /* width, height */
    EVENT_TICK,       /* time passes: progress, expiry */
    EVENT_STORED,     /* id, seq, text (the event's uuid): the record is durable */
    EVENT_NOT_STORED, /* id, text: why not */
    EVENT_DATA,       /* data, message: the store's answer to outbox.ask */
    EVENT_LAB,        /* message: decoded, from the lab; its "id" is the request's */
    EVENT_LAB_LOST,   /* text: what happened; a fresh lab is being started; every open request is gone */
};

/* ORDER CONFIDENCE: confidence_json in session.c */
enum confidence { SURE_GUESS, SURE_50, SURE_75, SURE_95, SURE_NONE };

/* What a state machine may ask of the store: the questions of db/store.h of the same names. */
enum data { DATA_NONE, DATA_PROGRESS, DATA_CARDS, DATA_CALIBRATION, DATA_SETTINGS, DATA_LESSON };

struct event {
    enum event_kind kind;
    int64_t         now;        /* UTC, milliseconds */
    uint32_t        key;
    const char     *text;
    enum command    command;
    int             confidence;
    int             width, height;
    enum data       data;
    long            id;
    int64_t         seq;        /* of a stored record, counted by this device */
    const json_t   *message;
};

/* What a state machine wants done. The loop acts; handlers only decide. */
enum effect {
    FX_DRAW   = 1 << 0, /* the view changed */
    FX_STORE  = 1 << 1, /* outbox.record */
    FX_LAB    = 1 << 2, /* outbox.request */
    FX_CANCEL = 1 << 3, /* outbox.cancel: this lab request is no longer wanted */
    FX_BELL   = 1 << 4, /* the key did nothing here */
    FX_DONE   = 1 << 5, /* the session (or the app) is finished */
    FX_COPY   = 1 << 6, /* what is on screen, as text, to the clipboard */
    FX_FILE   = 1 << 7, /* outbox.text to a new report file */
    FX_REDRAW = 1 << 8, /* forget what is on the terminal */
    FX_ASK    = 1 << 9, /* outbox.ask */
};

/* At most one message to each actor. The receiver of the outbox owns what is in it. */
struct outbox {
    json_t *record;  /* for the store: {"kind", "lesson", "step", "rev", "payload"}; the loop adds the rest */
    long    record_id;
    json_t *request; /* for the lab (protocol.h, tutor to lab), with its "id" */
    long    cancel;  /* id of a lab request */
    char   *text;    /* malloc */
    enum data ask;
    const char *ask_about; /* DATA_LESSON: its id; lives as long as the asker */
};

#endif
