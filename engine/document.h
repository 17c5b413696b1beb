/* document.h: a lesson document, the part of a lesson that is data.
 * The lab turns a lesson file into this JSON (functions become flags); the tutor knows only this. The document's own
 * schema, lesson_schema, is also what a lesson file is checked against. Immutable once made. */
#ifndef ENGINE_DOCUMENT_H
#define ENGINE_DOCUMENT_H

#include "engine/schema.h"

/* {"id": "coarse-cup", "title": "A coarse cup", "win": "...", "sha256": hex of the file, "minutes": 12,
 *  "parts": [{"id", "title", "core": bool}...],
 *  "steps": [step...],  "dives": [{"id", "title", "body": [block...], "live"}...],
 *  "links": [{"lesson", "title", "primer": [text...]}...],  "sources": [text...]}
 *
 * A step: {"kind", "id", "rev", "part": index into parts (absent without parts), "title",
 *   read:     "body": [block...]
 *   predict:  "ask": [block...], "given": [block...] or true (live, asked of the lab before the commit),
 *             one of "number", "choice", "order", "place" (below), "hints", "wrong": [values that must miss],
 *             "knobs": [knob...], "live": true if compute() runs, "answer" + "source" if it is cited,
 *             "because": the mechanism of a choice, an author's claim, "card"
 *   fill:     "ask", "columns": [{"title", "choices"}...], "rows": [{"label", "cells": [right texts]}...],
 *             "body": [block...] shown after, "card"
 *   recall:   "card": {"front", "back", "again"}
 *   explain:  "ask", "model": our words
 *   explore:  "ask", "knobs", "live"}
 *
 * number: {"unit", "scale": linear|log, "within": rule, "from", "to" (the axis of the reveal)}
 * choice: {"options": [{"id", "text"}...]}        order: {"options": [...], "first": "least error"}
 * place:  {"from", "to", "unit", "scale", "tick", "within"}
 * rule:   "exact" | "25 %" | "3 points" (of the unit) | "2 x" (factor) | "tick"
 * knob:   {"name", "label", "value", "from", "to", "scale", "step", "unit"} or {"name", "label", "value", "choices"} */

/* ORDER STEP_KIND: step_kind_names in document.c */
enum step_kind { STEP_READ, STEP_PREDICT, STEP_FILL, STEP_RECALL, STEP_EXPLAIN, STEP_EXPLORE, STEP_KIND_COUNT };

/* ORDER ANSWER_KIND: answer_kind_names in document.c */
enum answer_kind {
    ANSWER_NUMBER, ANSWER_CHOICE, ANSWER_ORDER, ANSWER_PLACE, ANSWER_KIND_COUNT, ANSWER_NONE = ANSWER_KIND_COUNT
};

struct step {
    enum step_kind   kind;
    enum answer_kind answer;  /* of a predict step, else ANSWER_NONE */
    const char      *id;
    int              rev;     /* raised by the author when the question changes */
    int              part;    /* index, or -1 */
    const json_t    *json;    /* the whole step */
    const json_t    *rule;    /* the "number", "choice", "order" or "place" object, or NULL */
    bool             live;    /* compute() runs in the lab */
    bool             given_live;
};

struct document;

extern const struct object lesson_schema;
extern const char *const   step_kind_names[STEP_KIND_COUNT];
extern const char *const   answer_kind_names[ANSWER_KIND_COUNT];

/* Checks `json` and takes a reference to it. NULL and one line in `error` when it is not a lesson document: beyond the
 * schema, ids are unique, a predict step has exactly one kind of answer, a place has from < to, options 2 or more. */
struct document *document_new(json_t *json, char *error, size_t size);
void             document_free(struct document *);

const char        *document_id(const struct document *);
const char        *document_title(const struct document *);
const char        *document_sha256(const struct document *);
const json_t      *document_json(const struct document *);
int                document_step_count(const struct document *);
const struct step *document_step(const struct document *, int index);
/* The index of the step with this id, or -1. */
int                document_find(const struct document *, const char *id);

/* Parts as headers count them: a lesson without parts is one part. Title of a part, "" if none. */
int                document_part_count(const struct document *);
const char        *document_part_title(const struct document *, int part);

/* Where a step stands, as headers and the map count it: "step 4 of 6", a part among those of the core; "part two, 1 of
 * 4", one beyond it; steps in a lesson without parts. */
void               document_place(const struct document *, int step, char *out, size_t size);

#endif
