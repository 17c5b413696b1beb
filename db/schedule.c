/* schedule.c: one card's way from its reveal to a long memory. See schedule.h. */
#include "db/schedule.h"

enum {
    MINUTE_MS = 60 * 1000,
    DAY_MS = 24 * 60 * MINUTE_MS,
    ROLLOVER = 4 * 60, /* minutes after midnight at which a learner's day starts */
    FIRST_STEP = 1,    /* minutes: learning, after again */
    LAST_STEP = 10,    /* minutes: learning after good, relearning, and a surprise's first return */
    RETURNS = 3        /* of a surprise; the last is FSRS's first rating */
};

/* ORDER SCHEDULE_STATE */
const char *const schedule_names[] = { "new", "surprise", "learning", "review", "relearning" };

/* Days after the reveal at which a surprise returns, counted from 0. */
static const int return_day[RETURNS] = { 0, 1, 3 };

int64_t schedule_day(int64_t utc_ms, int offset_minutes)
{
    int64_t local = utc_ms + ((int64_t)offset_minutes - ROLLOVER) * MINUTE_MS;
    return local >= 0 ? local / DAY_MS : -((DAY_MS - 1 - local) / DAY_MS);
}

int64_t schedule_day_start(int64_t day, int offset_minutes)
{
    return day * DAY_MS - ((int64_t)offset_minutes - ROLLOVER) * MINUTE_MS;
}

static void wait(struct schedule *card, int64_t due_utc, int64_t due_day)
{
    card->due_utc = due_utc;
    card->due_day = due_day;
}

void schedule_reveal(struct schedule *card, bool surprise, int64_t utc, int64_t day)
{
    card->made_day = day;
    card->state = surprise ? SCHEDULE_SURPRISE : SCHEDULE_NEW;
    card->step = 0;
    wait(card, surprise ? utc + LAST_STEP * MINUTE_MS : utc, day);
}

/* The next return is as far from this one as planned, also when this one came late. */
static void return_again(struct schedule *card, int64_t utc, int64_t day)
{
    int64_t planned = card->made_day + return_day[card->step];
    int64_t spaced = day + return_day[card->step] - return_day[card->step - 1];
    wait(card, utc, planned > spaced ? planned : spaced);
}

static void learn(struct schedule *card, enum schedule_state state, int passed, int minutes, int64_t utc, int64_t day)
{
    card->state = state;
    card->step = passed;
    wait(card, utc + minutes * MINUTE_MS, day);
}

/* Where a rated card goes. A lapse relearns only what had been learned. */
static void move(struct schedule *card, enum fsrs_rating rating, int64_t utc, int64_t day)
{
    bool good = rating >= FSRS_GOOD;
    bool learning = card->state != SCHEDULE_REVIEW && card->state != SCHEDULE_RELEARNING;
    if (!learning && !good)
        learn(card, SCHEDULE_RELEARNING, 0, LAST_STEP, utc, day);
    else if (learning && !good)
        learn(card, SCHEDULE_LEARNING, 0, FIRST_STEP, utc, day);
    else if (learning && card->step == 0 && rating != FSRS_EASY)
        learn(card, SCHEDULE_LEARNING, 1, LAST_STEP, utc, day);
    else
        card->state = SCHEDULE_REVIEW;
}

void schedule_grade(struct schedule *card, enum fsrs_rating rating, int64_t utc, int64_t day)
{
    int64_t elapsed = card->reviews && day > card->last_day ? day - card->last_day : 0;
    card->reviews++;
    card->last_day = day;
    if (card->state == SCHEDULE_SURPRISE && ++card->step < RETURNS) {
        return_again(card, utc, day);
        return;
    }
    if (card->state == SCHEDULE_SURPRISE || card->state == SCHEDULE_NEW)
        card->step = 0;
    card->lapses += card->state == SCHEDULE_REVIEW && rating == FSRS_AGAIN;
    card->memory = fsrs_next(fsrs_defaults, card->memory, rating, elapsed);
    move(card, rating, utc, day);
}

int64_t schedule_due(const struct schedule *card, double retention, uint32_t fuzz, int offset)
{
    int64_t day = card->due_day;
    if (card->state == SCHEDULE_REVIEW) {
        int days = fsrs_interval(fsrs_defaults, retention, card->memory.stability);
        day = card->last_day + (fuzz ? fsrs_fuzz(days, fuzz) : days);
    }
    int64_t start = schedule_day_start(day, offset);
    return card->state != SCHEDULE_REVIEW && card->due_utc > start ? card->due_utc : start;
}

bool schedule_is_due(const struct schedule *card, double retention, uint32_t fuzz, int64_t utc, int offset)
{
    int64_t today = schedule_day(utc, offset);
    int64_t last = card->last_day > card->made_day ? card->last_day : card->made_day;
    return last > today + 1 || schedule_due(card, retention, fuzz, offset) <= utc;
}
