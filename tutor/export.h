/* export.h: progress for other programs: everything as JSON, cards for Anki, answers as CSV.
 *   json  {"format": "saffron-export", "version": 1, "saffron", "events": [one a line]}: what import and
 *         class read; sorted by device and seq, payloads byte by byte as stored
 *   anki  text for File > Import: tab-separated, HTML, note type Basic, a GUID, a deck and a tags column; importing it
 *         again updates the notes in place and keeps their scheduling
 *   csv   RFC 4180: one row a prediction, result, answer, review, hint, skip or flag */
#ifndef TUTOR_EXPORT_H
#define TUTOR_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "tutor/learner.h"

#define EXPORT_FORMAT "saffron-export"

/* False: the file could not be written, or the database not read (which has been said). */
bool export_json(struct learner *, FILE *out);
bool export_anki(struct learner *, FILE *out);
bool export_csv(struct learner *, FILE *out);

#endif
