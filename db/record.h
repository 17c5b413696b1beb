/* record.h: one record of the event log, the only truth in the database; everything else is derived from it.
 * Callers own the payloads (JSON objects as text); what db/ itself reads in them is listed here.
 * Events are never changed or deleted: undo and reset are retract events. */
#ifndef DB_RECORD_H
#define DB_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RECORD_UUID    = 37,         /* bytes of a uuid as text, with its end */
    RECORD_PAYLOAD = 256 * 1024, /* longest payload, bytes */
};

/* A record to append. Strings are copied; NULL counts as empty. Kinds, and the payload keys that db/ looks at (callers
 * may add any others):
 *   open        {}                               the learner came to this lesson and step
 *   seen        {}                               a read or explore step was passed
 *   prediction  {type, confidence, order}        committed before its outcome is computed. type: "choice",
 *                                                "number", "order", "place". confidence: "guess", 50, 75, 95,
 *                                                null for "no idea". order: the option ids as shown, the k of a choice.
 *                                                The keys outcome, blocks and hit are refused here.
 *   result      {hit, card{front, back, again}}  the outcome of the last prediction on this step; hit: true, false, or
 *                                                null for unscored. Without a prediction it only makes the card.
 *                                                octaves: how far off a magnitude was; ts_utc, local_day as below.
 *   review      {grade, ts_utc, local_day, card} a recall answer, grade: "again" or "good"; ts_utc and local_day: when,
 *                                                by the learner's clock (cards_complete). On a recall step, which has
 *                                                no result, card brings the text.
 *   answer      {card}                           a fill or explain step was completed
 *   hint        {}                               one more hint was opened
 *   skip        {}                               the step was skipped
 *   setting     {name, value}                    value: a string. Stored without course, lesson and step.
 *   draft       {text}                           unfinished text; an empty text clears it
 *   flag        {what}                           anything else worth remembering; what: "problem" is a question that
 *                                                the learner has reported, "restored" a backup that was put back
 *   retract     {target} or {seq} or {scope}     target: an event's uuid; seq: an event of this device; scope: "lesson"
 *                                                or "step": all that came before in the row's lesson (and step). It
 *                                                carries the lesson of what it retracts; a retract can be retracted. */
struct record {
    uint64_t    id;   /* returned in the reply; 0 is taken by notices */
    const char *uuid; /* NULL: made here. Posting the same uuid twice stores it once, so a retry is safe */
    const char *kind;
    const char *course, *lesson, *step;
    int         rev; /* of the step's question */
    const char *payload;
};

/* Whether the log takes records of this kind. */
bool record_kind_known(const char *kind);

#endif
