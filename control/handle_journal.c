/* SPDX-License-Identifier: Apache-2.0 */
/* journal status, verify, archive: asked of the data plane, which does it in its own time. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "control/control.h"

#define ASK_MS   2000
#define LOOK_MS  200
#define DAMAGE_S 3600 /* a check is waited for no longer: sluicectl does not either */

static int64_t member(const json_t *shard, const char *name)
{
	return json_integer_value(json_object_get(shard, name));
}

static int ask(struct control *control, const char *command, json_t **answer, char *message,
    size_t message_size)
{
	char why[256];

	if (link_ask(control->link, json_pack("{s:s}", "cmd", command), ASK_MS, answer, why,
	        sizeof(why)) == 0)
		return CONTROL_DONE;
	return handle_refuse(
	    CONTROL_UNREACHABLE, message, message_size, "the data plane does not answer: %s", why);
}

static void copy(json_t *to, const json_t *from, const char *name)
{
	json_t *value = json_object_get(from, name);

	json_object_set_new(to, name, value == NULL ? json_null() : json_incref(value));
}

static json_t *shard_journal(const json_t *shard)
{
	static const char *const names[] = { "shard", "finished_segment", "sealed_segment",
		"sealed_lsn", "waiting_segments", "seals_damaged", "seal_errors", "seal_chain",
		"archiving", "archive", "archived_segment", "archived_lsn", "archive_lacks",
		"archive_files", "archive_bytes", "archive_error", "archive_errors",
		"archive_removed", "verify_runs", "verify_running", "verify_seals",
		"verify_segments", "verify_archives", "verify_bad", "verify_text", "segments_ready",
		"keeper_error", "store_waiting", "disk_used_bytes", "disk_free_bytes", "recovery" };
	static const char *const states[] = { "room", "quota", "floor" };
	int64_t state = member(shard, "disk_state");
	json_t *object = json_object();

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++)
		copy(object, shard, names[i]);
	json_object_set_new(object, "disk",
	    json_string(
	        state >= 0 && state < (int64_t)SLUICE_ARRAY_COUNT(states) ? states[state] : "?"));
	return object;
}

static int journal_ask(struct control *control, json_t **shards, char *message, size_t message_size)
{
	json_t *answer = NULL, *shard;
	int result = ask(control, "status", &answer, message, message_size);
	size_t index;

	if (result != CONTROL_DONE)
		return result;
	*shards = json_array();
	json_array_foreach(json_object_get(answer, "shards"), index, shard)
	    json_array_append_new(*shards, shard_journal(shard));
	json_decref(answer);
	return CONTROL_DONE;
}

int handle_journal_status(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	json_t *shards = NULL;
	int status = journal_ask(context, &shards, message, message_size);

	(void)request;
	if (status == CONTROL_DONE)
		*result = json_pack("{s:o}", "shards", shards);
	return status;
}

static void pause_ms(long ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&wait, NULL);
}

/* 1 when every shard has finished a check that began after `before`. */
static int verified(const json_t *shards, const json_t *before)
{
	json_t *shard;
	size_t index;

	json_array_foreach(shards, index, shard)
	{
		/* One that ran already when ours was asked for ends first. */
		const json_t *then = json_array_get(before, index);
		int64_t runs = member(then, "verify_runs") + 1 + member(then, "verify_running");

		if (member(shard, "verify_runs") < runs)
			return 0;
	}
	return 1;
}

int handle_journal_verify(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *before = NULL, *now = NULL, *answer = NULL, *shard;
	int status = journal_ask(control, &before, message, message_size);
	int64_t seals = 0, segments = 0, archives = 0;
	size_t index;

	(void)request;
	if (status == CONTROL_DONE)
		status = ask(control, "journal_verify", &answer, message, message_size);
	json_decref(answer);
	for (long looks = 0; status == CONTROL_DONE && (now == NULL || !verified(now, before));
	     looks++) {
		if (looks > DAMAGE_S * 1000L / LOOK_MS)
			status = handle_refuse(CONTROL_UNREACHABLE, message, message_size,
			    "the check goes on; its result will be in `sluicectl journal status`");
		pause_ms(LOOK_MS);
		json_decref(now);
		now = NULL;
		if (status == CONTROL_DONE)
			status = journal_ask(control, &now, message, message_size);
	}
	json_decref(before);
	json_array_foreach(now, index, shard)
	{
		seals += member(shard, "verify_seals");
		segments += member(shard, "verify_segments");
		archives += member(shard, "verify_archives");
		if (status == CONTROL_DONE && member(shard, "verify_bad") != 0)
			status = handle_refuse(CONTROL_REFUSED, message, message_size,
			    "shard %" PRId64 ": %" PRId64
			    " places are not what was sealed, the first: %s",
			    member(shard, "shard"), member(shard, "verify_bad"),
			    json_string_value(json_object_get(shard, "verify_text")));
	}
	if (status == CONTROL_DONE)
		*result = json_pack("{s:b, s:I, s:I, s:I, s:o}", "ok", 1, "seals",
		    (json_int_t)seals, "segments_compared", (json_int_t)segments,
		    "archives_compared", (json_int_t)archives, "shards", json_incref(now));
	json_decref(now);
	return status;
}

int handle_journal_archive(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int64_t left_ms = ops_number(request, "wait_ms", 10000), waiting = 0, errors = 0;
	json_t *shards = NULL, *answer = NULL, *shard;
	int status = ask(control, "journal_archive", &answer, message, message_size);
	size_t index;

	json_decref(answer);
	while (status == CONTROL_DONE) {
		json_decref(shards);
		shards = NULL;
		waiting = errors = 0;
		status = journal_ask(control, &shards, message, message_size);
		json_array_foreach(shards, index, shard)
		{
			waiting += member(shard, "waiting_segments");
			errors += member(shard, "archive_error") != 0;
		}
		if (waiting == 0 || left_ms <= 0)
			break;
		pause_ms(LOOK_MS);
		left_ms -= LOOK_MS;
	}
	if (status == CONTROL_DONE && errors != 0)
		status = handle_refuse(CONTROL_REFUSED, message, message_size,
		    "archiving fails on %" PRId64
		    " shards: `sluicectl journal status` has the directory and the error, the data "
		    "plane's log too",
		    errors);
	if (status == CONTROL_DONE)
		*result = json_pack(
		    "{s:I, s:O}", "waiting_segments", (json_int_t)waiting, "shards", shards);
	json_decref(shards);
	return status;
}
