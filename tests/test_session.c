/* test_session.c: a lesson step by step: what each key, each answer of the store and each reply of the lab leads to.
 * Every event passes rig_check: restore equals live, views are valid, no outcome before its commit. */
#include "tests/rig.h"

static void commit_comes_before_compute(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_type(&r, "40 %");
    rig_key(&r, KEY_CODE_ENTER);
    assert_int_equal(session_wants(r.session), WANTS_CONFIDENCE);
    rig_key(&r, '3');
    assert_null(r.request);
    assert_true(session_busy(r.session));
    assert_true(rig_store(&r));
    assert_non_null(r.request);
    assert_string_equal(view_text(r.request, "type", ""), "compute");
    assert_true(rig_shows(&r, "40 %, 75 % sure"));
    assert_false(rig_shows(&r, SECRET));
    rig_settle(&r);
    assert_true(rig_shows(&r, SECRET));
    assert_true(rig_has(&r, "number", "result"));
    rig_key(&r, KEY_CODE_ENTER);
    assert_int_equal(session_step(r.session), document_find(r.document, "choice"));
    rig_close(&r);
}

static void a_refused_guess_is_kept(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_type(&r, "40");
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, '2');
    r.refuse = true;
    rig_store(&r);
    assert_true(rig_shows(&r, "not saved: disk full"));
    assert_true(rig_shows(&r, "40 %"));
    assert_null(r.request);
    r.refuse = false;
    rig_key(&r, KEY_CODE_ENTER); /* tries again */
    rig_settle(&r);
    assert_true(rig_has(&r, "number", "result"));
    rig_close(&r);
}

static void going_on_unsaved_is_marked(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_type(&r, "40");
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, '2');
    r.refuse = true;
    rig_store(&r);
    rig_key(&r, 'k');
    assert_non_null(r.request);
    rig_lab(&r);
    assert_true(rig_shows(&r, SECRET));
    assert_true(rig_shows(&r, "not saved"));
    assert_false(rig_has(&r, "number", "guess"));
    assert_int_equal(json_array_size(r.queue), 0);
    rig_close(&r);
}

static void a_refused_reset_offers_nothing(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_key(&r, 'R');
    r.refuse = true;
    rig_store(&r);
    assert_true(rig_shows(&r, "not saved"));
    assert_int_equal(session_wants(r.session), WANTS_LINE);
    assert_null(r.request);
    rig_close(&r);
}

static void guess(struct rig *r, const char *text, uint32_t sure)
{
    rig_type(r, text);
    rig_key(r, KEY_CODE_ENTER);
    rig_key(r, sure);
    rig_settle(r);
}

static void a_problem_can_be_tried_again(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_type(&r, "40");
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, '2');
    rig_store(&r);
    rig_message(&r, json_pack("{s:s, s:O, s:s}", "type", "problem", "id", json_object_get(r.request, "id"), "text",
                              "no such tensor"));
    assert_true(rig_shows(&r, "no such tensor"));
    json_decref(r.request);
    r.request = NULL;
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    assert_true(rig_has(&r, "number", "result"));
    rig_close(&r);
}

static void lose_lab(struct rig *r)
{
    json_decref(r->request);
    r->request = NULL;
    rig_feed(r, (struct event){ .kind = EVENT_LAB_LOST, .text = "the lab ended (signal 9)" });
}

static void a_step_that_ends_two_labs_is_skipped(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_type(&r, "40");
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, '2');
    rig_store(&r);
    lose_lab(&r);
    assert_non_null(r.request); /* asked again of the fresh lab */
    assert_true(rig_shows(&r, "signal 9"));
    lose_lab(&r);
    assert_null(r.request);
    rig_settle(&r);
    assert_true(rig_has(&r, "number", "skipped"));
    assert_false(rig_has(&r, "number", "result"));
    rig_close(&r);
}

static void knobs_run_one_request_and_the_newest_waits(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_key(&r, KEY_CODE_RIGHT);
    json_int_t first = json_integer_value(json_object_get(r.request, "id"));
    rig_key(&r, KEY_CODE_RIGHT);
    rig_key(&r, KEY_CODE_RIGHT);
    assert_int_equal(json_integer_value(json_object_get(r.request, "id")), first);
    rig_message(&r, json_pack("{s:s, s:I, s:f, s:[]}", "type", "result", "id", first + 1000, "answer", 1.0, "blocks"));
    assert_int_equal(json_integer_value(json_object_get(r.request, "id")), first); /* a stranger's reply is dropped */
    rig_lab(&r);
    assert_non_null(r.request); /* the newest knobs */
    double times = json_number_value(json_object_get(json_object_get(r.request, "knobs"), "times"));
    assert_true(times >= 100);
    rig_settle(&r);
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_KNOB, .text = "scale=row" });
    assert_true(rig_shows(&r, "cannot be 'row'"));
    rig_close(&r);
}

static double knob_of(const json_t *request)
{
    return json_number_value(json_object_get(json_object_get(request, "knobs"), "times"));
}

static void canceled_knobs_turn_back(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_key(&r, KEY_CODE_RIGHT);
    assert_true(knob_of(r.request) > 60);
    rig_key(&r, KEY_CODE_RIGHT);    /* waits */
    rig_key(&r, KEY_CODE_ESCAPE);
    assert_null(r.request);
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_RECOMPUTE });
    assert_true(knob_of(r.request) == 60);
    rig_lab(&r);
    assert_null(r.request);
    assert_false(rig_shows(&r, "At these knobs"));
    rig_close(&r);
}

static void knobs_turned_back_are_the_first_ones(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_KNOB, .text = "times=30" });
    rig_lab(&r);
    assert_true(rig_shows(&r, "At these knobs"));
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_KNOB, .text = "times=60" });
    rig_lab(&r);
    assert_false(rig_shows(&r, "At these knobs"));
    rig_close(&r);
}

/* A tensor of one's own: only after the reveal; it stays for the knobs, goes when none is named, and is not stored. */
static void a_tensor_of_ones_own(void **unused)
{
    struct rig r;
    const struct event asks = { .kind = EVENT_COMMAND, .command = COMMAND_TENSOR, .text = "my models/a.gguf blk.0.w" };
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    assert_false(session_takes_tensor(r.session));
    rig_feed(&r, asks);
    assert_null(r.request);
    guess(&r, "40", '2');
    assert_true(session_takes_tensor(r.session));
    rig_feed(&r, asks);
    const json_t *own = json_object_get(r.request, "own");
    assert_string_equal(view_text(own, "path", ""), "my models/a.gguf");
    assert_string_equal(view_text(own, "tensor", ""), "blk.0.w");
    assert_false(session_takes_tensor(r.session));
    rig_lab(&r);
    assert_false(r.effects & FX_STORE);
    assert_true(rig_shows(&r, "On your tensor"));
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_KNOB, .text = "times=30" });
    assert_string_equal(view_text(json_object_get(r.request, "own"), "tensor", ""), "blk.0.w");
    rig_lab(&r);
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_TENSOR, .text = "one.npy" });
    assert_string_equal(view_text(json_object_get(r.request, "own"), "path", ""), "one.npy");
    assert_string_equal(view_text(json_object_get(r.request, "own"), "tensor", "?"), "");
    rig_lab(&r);
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_TENSOR, .text = "" });
    assert_non_null(r.request);
    assert_null(json_object_get(r.request, "own"));
    rig_lab(&r);
    assert_false(r.effects & FX_STORE);
    assert_true(rig_shows(&r, "At these knobs"));
    rig_close(&r);
}

static void a_lab_lost_over_a_source_computes_nothing(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_key(&r, 'c');
    assert_string_equal(view_text(r.request, "type", ""), "source");
    lose_lab(&r);
    assert_null(r.request);
    assert_true(rig_shows(&r, "signal 9"));
    rig_close(&r);
}

static void facts_without_blocks_are_not_asked_again(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    assert_true(session_go(r.session, "place", NULL));
    rig_feed(&r, (struct event){ .kind = EVENT_TICK });
    assert_string_equal(view_text(r.request, "type", ""), "given");
    rig_message(&r, json_pack("{s:s, s:O}", "type", "given", "id", json_object_get(r.request, "id")));
    json_decref(r.request);
    r.request = NULL;
    rig_feed(&r, (struct event){ .kind = EVENT_TICK });
    assert_null(r.request);
    rig_close(&r);
}

static void a_typed_place_lies_on_the_axis(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "place");
    rig_settle(&r);
    rig_type(&r, "11");
    rig_key(&r, KEY_CODE_ENTER);
    assert_true(rig_shows(&r, "the axis runs from 0 to 10"));
    rig_key(&r, KEY_CODE_BACKSPACE);
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, '2');
    rig_settle(&r);
    assert_true(rig_has(&r, "place", "result"));
    rig_close(&r);
}

static void bits_of_a_code_are_flipped(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "explore");
    rig_settle(&r);
    rig_key(&r, KEY_CODE_TAB);
    rig_key(&r, KEY_CODE_TAB);
    rig_key(&r, KEY_CODE_RIGHT);
    assert_null(r.request); /* the place moves, the code stays */
    rig_key(&r, ' ');
    assert_string_equal(view_text(json_object_get(r.request, "knobs"), "byte", ""), "0010");
    rig_settle(&r);
    for (int i = 0; i < 9; i++)
        rig_key(&r, KEY_CODE_RIGHT);
    rig_key(&r, ' ');
    assert_string_equal(view_text(json_object_get(r.request, "knobs"), "byte", ""), "0011");
    rig_settle(&r);
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_KNOB, .text = "byte=1001" });
    assert_string_equal(view_text(json_object_get(r.request, "knobs"), "byte", ""), "1001");
    rig_settle(&r);
    rig_feed(&r, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_KNOB, .text = "byte=101" });
    assert_true(rig_shows(&r, "cannot be '101'"));
    rig_close(&r);
}

static void a_live_dive_is_computed_below_its_text(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "explore");
    rig_settle(&r);
    rig_key(&r, 'd');
    assert_string_equal(view_text(r.request, "step", ""), "deep");
    json_int_t id = json_integer_value(json_object_get(r.request, "id"));
    assert_true(rig_shows(&r, "Text."));
    rig_message(&r, json_pack("{s:s, s:I, s:n, s:[{s:s, s:s}]}", "type", "result", "id", id, "answer", "blocks", "view",
                              "prose", "text", "settled"));
    assert_true(rig_shows(&r, "settled"));
    rig_key(&r, 'd'); /* the step's other one */
    assert_true(rig_shows(&r, "Words."));
    assert_false(rig_shows(&r, "settled"));
    rig_key(&r, 'd'); /* there is no third */
    assert_false(rig_shows(&r, "Words."));
    rig_key(&r, 'd'); /* closed before its outcome comes: nothing opens again, and the knobs still turn */
    rig_key(&r, KEY_CODE_ESCAPE);
    rig_key(&r, KEY_CODE_RIGHT);
    id = json_integer_value(json_object_get(r.request, "id"));
    rig_message(&r, json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id, "text", "no"));
    assert_false(rig_shows(&r, "Text."));
    assert_string_equal(view_text(r.request, "step", ""), "explore");
    rig_settle(&r);
    rig_close(&r);
}

static void no_idea_is_stored_unscored(void **unused)
{
    struct rig r;
    json_t *all;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_key(&r, '-');
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    const json_t *state = rig_state(&r, "number", &all);
    assert_true(json_is_null(json_object_get(json_object_get(state, "guess"), "value")));
    assert_true(json_is_null(json_object_get(json_object_get(state, "result"), "hit")));
    json_decref(all);
    rig_close(&r);
}

static void every_kind_can_be_answered(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_key(&r, KEY_CODE_ENTER); /* read */
    rig_settle(&r);
    guess(&r, "50", '4');
    rig_key(&r, KEY_CODE_ENTER);
    rig_feed(&r, (struct event){ .kind = EVENT_TEXT, .text = "a" }); /* a choice by id, as in plain mode */
    guess(&r, "", '1');
    rig_key(&r, KEY_CODE_ENTER);
    rig_feed(&r, (struct event){ .kind = EVENT_TEXT, .text = "2 1 3" });
    guess(&r, "", '1');
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    assert_true(rig_shows(&r, "a live fact"));
    rig_key(&r, KEY_CODE_RIGHT);
    guess(&r, "", '1');
    assert_true(rig_has(&r, "place", "result"));
    rig_key(&r, KEY_CODE_ENTER);
    rig_type(&r, "12"); /* both cells */
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    assert_true(rig_shows(&r, "2 of 2 cells are right"));
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, KEY_CODE_ENTER); /* the card's back */
    rig_key(&r, '2');
    rig_settle(&r);
    assert_true(rig_has(&r, "recall", "review"));
    rig_type(&r, "because it reads fewer bytes?");
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    assert_true(rig_shows(&r, "our words"));
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    assert_true(rig_shows(&r, SECRET)); /* explore computes by itself */
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    assert_int_equal(session_next_open(r.session), document_step_count(r.document));
    assert_true(rig_shows(&r, "The end of this lesson"));
    rig_close(&r);
}

/* A lab that answers a question about facts with an outcome does not get it on screen. */
static void no_reply_shows_an_outcome_before_its_commit(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    assert_true(session_go(r.session, "place", NULL));
    rig_feed(&r, (struct event){ .kind = EVENT_TICK });
    assert_string_equal(view_text(r.request, "type", ""), "given");
    rig_message(&r, json_pack("{s:s, s:O, s:f, s:[{s:s, s:s}]}", "type", "result", "id",
                              json_object_get(r.request, "id"), "answer", 5.0, "blocks", "view", "prose", "text",
                              SECRET));
    assert_false(rig_shows(&r, SECRET));
    assert_int_equal(session_wants(r.session), WANTS_LINE);
    rig_close(&r);
}

static void a_reset_can_be_undone(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_key(&r, 'R');
    rig_settle(&r);
    assert_false(rig_has(&r, "number", "guess"));
    assert_int_equal(session_wants(r.session), WANTS_LINE);
    rig_key(&r, 'u');
    rig_settle(&r);
    assert_true(rig_has(&r, "number", "result"));
    assert_true(rig_shows(&r, SECRET));
    rig_key(&r, 'u');
    assert_true(rig_shows(&r, "nothing to undo"));
    rig_close(&r);
}

/* The reply to what ran when the step was reset would reveal what is being forgotten. */
static void a_reset_cancels_what_runs(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_type(&r, "40");
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, '2');
    rig_store(&r);
    json_t *id = json_incref(json_object_get(r.request, "id"));
    rig_key(&r, 'R');
    assert_null(r.request);
    rig_message(&r, json_pack("{s:s, s:O, s:f, s:[]}", "type", "result", "id", id, "answer", 50.0, "blocks"));
    rig_settle(&r);
    assert_int_equal(session_wants(r.session), WANTS_LINE);
    assert_false(rig_has(&r, "number", "guess"));
    json_decref(id);
    rig_close(&r);
}

/* A reset of the last time stays: what it took is not in the records any more, nor is anything else its target. */
static void a_reset_of_before_the_start_stays(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_key(&r, 'R');
    rig_settle(&r);
    rig_restart(&r, true);
    rig_key(&r, KEY_CODE_ENTER); /* the read step is stored after the reset that was read */
    rig_settle(&r);
    rig_go(&r, "number");
    rig_key(&r, 'u');
    assert_true(rig_shows(&r, "nothing to undo"));
    assert_int_equal(json_array_size(r.queue), 0);
    assert_true(rig_has(&r, "read", "seen"));
    rig_close(&r);
}

/* The hint is not durable yet, but on its way: the step has gone on. */
static void undo_waits_for_what_is_under_way(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_key(&r, 'R');
    rig_settle(&r);
    rig_key(&r, 'h');
    rig_key(&r, 'u');
    assert_true(rig_shows(&r, "nothing to undo"));
    rig_settle(&r);
    assert_false(rig_has(&r, "number", "guess"));
    rig_close(&r);
}

/* kill -9 between the commit and the outcome: the guess is there, and the outcome is computed when asked for. */
static void a_guess_outlives_the_tutor(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    rig_type(&r, "40");
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, '2');
    rig_restart(&r, true); /* stored, but nobody was told */
    assert_true(rig_has(&r, "number", "guess"));
    assert_false(rig_shows(&r, SECRET));
    assert_null(r.request);
    rig_key(&r, KEY_CODE_ENTER);
    rig_settle(&r);
    assert_true(rig_has(&r, "number", "result"));
    rig_restart(&r, true);
    rig_key(&r, 'b');
    assert_true(rig_shows(&r, SECRET)); /* read-only */
    rig_close(&r);
}

static void earlier_steps_are_read_only(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    guess(&r, "40", '2');
    rig_key(&r, KEY_CODE_ENTER);
    rig_key(&r, 'b');
    assert_int_equal(session_step(r.session), document_find(r.document, "number"));
    size_t records = json_array_size(r.stored);
    rig_type(&r, "123");
    rig_feed(&r, (struct event){ .kind = EVENT_TEXT, .text = "7" });
    rig_feed(&r, (struct event){ .kind = EVENT_CONFIDENCE, .confidence = SURE_95 });
    rig_settle(&r);
    assert_int_equal(json_array_size(r.stored), records);
    assert_true(rig_shows(&r, "computed"));
    rig_close(&r);
}

/* A lab that dies while it makes the live facts: the question stands, and can be answered. */
static void a_question_stands_without_its_facts(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    assert_true(session_go(r.session, "place", NULL));
    rig_feed(&r, (struct event){ .kind = EVENT_TICK });
    assert_string_equal(view_text(r.request, "type", ""), "given");
    lose_lab(&r);
    assert_string_equal(view_text(r.request, "type", ""), "given");
    lose_lab(&r);
    assert_null(r.request);
    assert_false(rig_has(&r, "place", "skipped"));
    rig_key(&r, KEY_CODE_RIGHT);
    guess(&r, "", '2');
    assert_true(rig_has(&r, "place", "result"));
    rig_close(&r);
}

static void hints_come_in_stages(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_key(&r, 'h');
    assert_true(rig_shows(&r, "Hint 1 of 2"));
    assert_false(rig_shows(&r, "Hint 2 of 2"));
    rig_key(&r, 'h');
    rig_key(&r, 'h');
    assert_true(rig_shows(&r, "no more hints"));
    rig_settle(&r);
    assert_true(rig_has(&r, "number", "hints"));
    rig_close(&r);
}

static void a_half_written_explanation_comes_back(void **unused)
{
    struct rig r;
    struct outbox out = { 0 };
    (void)unused;
    rig_open(&r);
    rig_go(&r, "explain");
    rig_type(&r, "Fewer bytes");
    assert_int_equal(session_draft(r.session, &out), FX_STORE);
    json_array_append_new(r.queue, json_pack("{s:I, s:o}", "id", (json_int_t)out.record_id, "record", out.record));
    rig_settle(&r);
    rig_go(&r, "read");
    rig_go(&r, "explain");
    assert_true(rig_shows(&r, "Fewer bytes"));
    rig_close(&r);
}

/* Words that are cleared are gone the next time too; a draft and a skip in one event both arrive. */
static void a_cleared_draft_is_cleared(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "explain");
    rig_type(&r, "ab");
    rig_key(&r, KEY_CODE_ESCAPE);
    rig_key(&r, 'k');
    rig_settle(&r);
    assert_true(rig_has(&r, "explain", "skipped"));
    rig_go(&r, "explain");
    assert_true(rig_shows(&r, "\"text\": \"ab\""));
    rig_key(&r, KEY_CODE_BACKSPACE);
    rig_key(&r, KEY_CODE_BACKSPACE);
    rig_key(&r, KEY_CODE_ESCAPE);
    rig_key(&r, 'b');
    rig_settle(&r);
    rig_go(&r, "explain");
    assert_false(rig_shows(&r, "\"text\": \"ab\""));
    rig_close(&r);
}

static void an_order_is_read_once(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "order");
    rig_type(&r, "2 3 1");
    rig_key(&r, KEY_CODE_ENTER);
    json_t *first = session_view(r.session);
    rig_key(&r, KEY_CODE_ESCAPE);
    rig_key(&r, KEY_CODE_ENTER);
    json_t *second = session_view(r.session);
    assert_true(json_equal(json_object_get(first, "dock"), json_object_get(second, "dock")));
    json_decref(first);
    json_decref(second);
    rig_close(&r);
}

static void no_idea_can_go_on_unsaved(void **unused)
{
    struct rig r;
    (void)unused;
    rig_open(&r);
    rig_go(&r, "number");
    rig_key(&r, '-');
    rig_key(&r, KEY_CODE_ENTER);
    r.refuse = true;
    rig_store(&r);
    rig_key(&r, 'k');
    assert_non_null(r.request);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_comes_before_compute),
        cmocka_unit_test(a_refused_guess_is_kept),
        cmocka_unit_test(going_on_unsaved_is_marked),
        cmocka_unit_test(a_refused_reset_offers_nothing),
        cmocka_unit_test(a_problem_can_be_tried_again),
        cmocka_unit_test(a_step_that_ends_two_labs_is_skipped),
        cmocka_unit_test(knobs_run_one_request_and_the_newest_waits),
        cmocka_unit_test(bits_of_a_code_are_flipped),
        cmocka_unit_test(a_live_dive_is_computed_below_its_text),
        cmocka_unit_test(canceled_knobs_turn_back),
        cmocka_unit_test(knobs_turned_back_are_the_first_ones),
        cmocka_unit_test(a_tensor_of_ones_own),
        cmocka_unit_test(a_lab_lost_over_a_source_computes_nothing),
        cmocka_unit_test(facts_without_blocks_are_not_asked_again),
        cmocka_unit_test(a_typed_place_lies_on_the_axis),
        cmocka_unit_test(no_idea_is_stored_unscored),
        cmocka_unit_test(every_kind_can_be_answered),
        cmocka_unit_test(no_reply_shows_an_outcome_before_its_commit),
        cmocka_unit_test(a_cleared_draft_is_cleared),
        cmocka_unit_test(an_order_is_read_once),
        cmocka_unit_test(no_idea_can_go_on_unsaved),
        cmocka_unit_test(a_reset_can_be_undone),
        cmocka_unit_test(a_reset_cancels_what_runs),
        cmocka_unit_test(a_reset_of_before_the_start_stays),
        cmocka_unit_test(undo_waits_for_what_is_under_way),
        cmocka_unit_test(a_guess_outlives_the_tutor),
        cmocka_unit_test(earlier_steps_are_read_only),
        cmocka_unit_test(a_question_stands_without_its_facts),
        cmocka_unit_test(hints_come_in_stages),
        cmocka_unit_test(a_half_written_explanation_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
