/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What control does about markets by itself. A result becomes final result_final_s after it was
 * done, by a command like any other: numbered, audited as control's own doing, the same on all
 * shards. It is asked for first and committed only when all shards would do it: while a walk is
 * open they would not, and it is tried again. Without control, results just stay open to rollback.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/control.h"
#include "control/log/log.h"
#include "control/markets/markets.h"
#include "control/subjects/subjects.h"

#define CARE_LOOK_MAX 4096 /* markets looked at in one turn */
#define CARE_MAX      16   /* of them dealt with */
#define CARE_ASK_MS   1000
#define CARE_PAUSE_NS 10000000000ull /* after a question that had no answer */
#define NS_PER_S      1000000000ull

static struct audit_entry care_entry(const char *action)
{
	return (struct audit_entry){
		.uid = AUDIT_UID_CONTROL, .user = "control", .action = action, .outcome = "done"
	};
}

/* Asks the data plane. 0 with *answer; -EPERM: refused; else nothing more is asked for a while. */
static int care_ask(struct control *control, uint64_t market_id, json_t *question, json_t **answer)
{
	char why[256] = "";
	int error = link_ask(control->link, question, CARE_ASK_MS, answer, why, sizeof(why));

	if (error != 0 && error != -EPERM)
		control->care_again_ns = database_now_ns() + CARE_PAUSE_NS;
	if (error == -EPERM && control->care_refused_id != market_id) {
		control->care_refused_id = market_id;
		log_event(LOG_INFO, "care", "market_waits", NULL,
		    "market %" PRIu64 " cannot be made final now: %s; it is tried again", market_id,
		    why);
	}
	return error;
}

/* 1 when all shards have gone through the market's bets. */
static int is_walked(struct control *control, uint64_t market_id, json_t **shown)
{
	json_t *question =
	    json_pack("{s:s, s:I}", "cmd", "market_show", "market_id", (json_int_t)market_id);

	if (care_ask(control, market_id, question, shown) != 0)
		return 0;
	return json_is_true(json_object_get(*shown, "walked"));
}

static void final_issue(struct control *control, const struct market_care *care)
{
	struct audit_entry entry = care_entry("market final");
	json_t *shown = NULL, *answer = NULL;
	int error = -EAGAIN;

	if (is_walked(control, care->market_id, &shown) &&
	    care_ask(control, care->market_id,
	        json_pack("{s:s, s:b, s:s, s:I, s:s}", "cmd", "command", "dry_run", 1, "type",
	            "market_result", "market_id", (json_int_t)care->market_id, "op", "final"),
	        &answer) == 0)
		error = markets_final(control->database, care, &entry);
	json_decref(answer);
	json_decref(shown);
	if (error == 0) {
		link_wake(control->link);
		log_event(LOG_INFO, "care", "market_final", NULL,
		    "the result of market %" PRIu64 " is final", care->market_id);
	} else if (error != -EAGAIN && error != -EALREADY) {
		control->care_again_ns = database_now_ns() + CARE_PAUSE_NS;
		log_event(LOG_ERROR, "care", "market_failed", NULL,
		    "cannot make the result of market %" PRIu64 " final: %s", care->market_id,
		    strerror(-error));
	}
}

/* Out of the answer to market_show. */
static void shown_read(const json_t *answer, struct market_shown *shown)
{
	const json_t *odds = json_object_get(answer, "odds");
	const json_t *words = json_object_get(answer, "result");
	struct market_result result = { 0 };
	char text[512] = "", message[256];
	size_t count = json_array_size(odds), used = 0;

	*shown = (struct market_shown){
		.version = (uint64_t)json_integer_value(json_object_get(answer, "version")),
		.state = (enum market_state)json_integer_value(json_object_get(answer, "state")),
		.kind = (uint8_t)json_integer_value(json_object_get(answer, "kind")),
		.line = (int16_t)json_integer_value(json_object_get(answer, "line")),
		.final = json_is_true(json_object_get(answer, "final")),
		.selection_count = (uint8_t)(count <= LIMIT_MARKET_SELECTIONS_MAX ? count : 0),
	};
	for (size_t i = 0; i < shown->selection_count; i++) {
		const char *word = json_string_value(json_array_get(words, i));

		shown->odds[i] = (uint32_t)json_integer_value(json_array_get(odds, i));
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
			    i > 0 ? ";" : "", word != NULL ? word : "?");
	}
	/* "void" alone is the word for all of them. */
	if (shown->selection_count == 1 && strcmp(text, "void") == 0)
		settlement_void(1, &shown->outcomes);
	else if (shown->state >= MARKET_SETTLED &&
	         market_result_parse(text, &result, message, sizeof(message)) == 0)
		shown->outcomes = result.outcomes;
}

static void row_repair(struct control *control, const struct market_care *care)
{
	struct audit_entry entry = care_entry("market repair");
	json_t *answer = NULL;
	struct market_shown shown;
	int error;

	if (care_ask(control, care->market_id,
	        json_pack(
	            "{s:s, s:I}", "cmd", "market_show", "market_id", (json_int_t)care->market_id),
	        &answer) != 0)
		return;
	if (json_is_true(json_object_get(answer, "found"))) {
		shown_read(answer, &shown);
		error = markets_repair(control->database, care, &shown, &entry);
		if (error == 0)
			log_event(LOG_WARNING, "care", "market_repaired", NULL,
			    "the shards refused the last change of market %" PRIu64
			    "; control shows again what they have",
			    care->market_id);
	}
	json_decref(answer);
}

/* ---- Rules ---- */

/* On the link's thread, inside the transaction that marks the command. */
static int refused_mend(
    void *context, struct db_txn *txn, uint64_t sequence, const json_t *command, const char *why)
{
	struct audit_entry entry = care_entry("rules refused");

	int error = rules_refused(txn, command, why, &entry);

	(void)context;
	(void)sequence;
	return error != 0 ? error : subject_flags_refused(txn, command);
}

void care_begin(struct control *control)
{
	const struct commands_refusal refusal = { .refused = refused_mend, .context = control };

	commands_refusal_set(&refusal);
}

void care_first_rules(struct control *control)
{
	struct audit_entry entry = care_entry("rules set");
	uint64_t last;
	int error = commands_last(control->database, &last);

	if (error != 0 || last != 0)
		return;
	error = rules_first(control->database, &entry);
	if (error == 0)
		log_event(LOG_INFO, "care", "rules_first", NULL,
		    "a new installation: the defaults with all factors are in force, as version 2");
	else if (error != -EALREADY)
		log_event(LOG_WARNING, "care", "rules_failed", NULL,
		    "the first rules cannot be committed: %s; it is tried again", strerror(-error));
	link_wake(control->link);
}

/* The newest version that any shard has; 0: it is not known. */
static uint32_t shards_rules(const json_t *status)
{
	json_t *shard;
	size_t index;
	json_int_t newest = 0;

	json_array_foreach(json_object_get(status, "shards"), index, shard)
	{
		json_int_t version = json_integer_value(json_object_get(shard, "rule_version"));

		if (version > newest)
			newest = version;
	}
	return newest > 0 && newest <= UINT32_MAX ? (uint32_t)newest : 0;
}

/*
 * All commands are done and no shard has the rules that are in force here: they were refused, and
 * the answer was lost with a connection. Looked at twice, since a status may be older than the last
 * command.
 */
static void rules_compare(
    struct control *control, const struct link_report *report, uint32_t wanted)
{
	struct audit_entry entry = care_entry("rules refused");
	json_t *status = link_status(control->link);
	uint64_t last;
	uint32_t shards = shards_rules(status);
	char why[256] = "";

	json_decref(status);
	status = NULL;
	if (shards >= wanted)
		return;
	if (commands_last(control->database, &last) != 0 || report->command_done < last ||
	    link_ask(control->link, json_pack("{s:s}", "cmd", "status"), CARE_ASK_MS, &status, why,
	        sizeof(why)) != 0)
		return;
	shards = shards_rules(status);
	json_decref(status);
	if (shards == 0 || shards >= wanted) {
		control->care_rules_wanted = 0;
		return;
	}
	if (control->care_rules_wanted != wanted || control->care_rules_shards != shards) {
		control->care_rules_wanted = wanted;
		control->care_rules_shards = shards;
		return;
	}
	control->care_rules_wanted = 0;
	if (rules_lost(control->database, wanted, shards, &entry) == 0)
		log_event(LOG_WARNING, "care", "rules_refused", NULL,
		    "the shards do not have version %" PRIu32 " of the rules but %" PRIu32
		    "; control shows again what they have",
		    wanted, shards);
}

void care_turn(struct control *control)
{
	struct market_care_search search = { .next = control->care_next, .look = CARE_LOOK_MAX };
	struct market_care found[CARE_MAX];
	uint64_t now_ns = database_now_ns();
	struct link_report report;
	struct rule_set set;
	size_t count = 0;

	link_report(control->link, &report);
	if (report.state != LINK_UP || now_ns < control->care_again_ns ||
	    rules_get(control->database, &set) != 0)
		return;
	care_first_rules(control);
	rules_compare(control, &report, set.rules.version);
	limits_turn(control, &set.rules);
	search.done_by_ns = now_ns - set.rules.result_final_s * NS_PER_S;
	if (markets_care_look(control->database, &search, found, CARE_MAX, &count) != 0)
		return;
	control->care_next = search.next;
	for (size_t i = 0; i < count && control->care_again_ns <= now_ns; i++) {
		if (found[i].kind == MARKET_CARE_FINAL)
			final_issue(control, &found[i]);
		else
			row_repair(control, &found[i]);
	}
}
