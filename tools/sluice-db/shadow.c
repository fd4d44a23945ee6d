/* SPDX-License-Identifier: Apache-2.0 */
/* shadow: the walk over all shards, and the command. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/markets/rule_fields.h"
#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/shadow.h"

#define RULES_FILE_MAX 65536u
#define EXAMPLES       20u

static double seconds_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Shards ---- */

/* The rows of the checkpoint when the range begins behind everything in them; otherwise nothing,
 * and every event is applied from the first on. */
static int shard_state(struct shadow_shard *shard)
{
	const struct scan *scan = &shard->scan;
	uint64_t from = scan->from_lsn != 0 ? scan->from_lsn : scan->last_lsn + 1;
	int error =
	    replay_open_before(&shard->replay, shard->base_path, scan, from, &shard->damage);

	if (error == 0 && shard->replay.loaded && shard->replay.rows_lsn_max < from &&
	    ledger_shard(shard->replay.ledger)->lsn + 1 >= scan->first_lsn)
		return 0;
	if (error == 0 && scan->first_lsn != 1) {
		damage_note(&shard->damage, scan->first_lsn,
		    "the log begins at LSN %" PRIu64 ", the range at LSN %" PRIu64
		    ", and the rows are newer: give --base with a backup from before the range",
		    scan->first_lsn, from);
		return -ENODATA;
	}
	if (error == 0 && shard->replay.loaded) {
		replay_close(&shard->replay);
		error = replay_open_before(&shard->replay, shard->path, scan, 0, &shard->damage);
	}
	if (error == 0 && shard->replay.ledger == NULL) {
		damage_note(&shard->damage, 0, "there are no rows: not a shard of a switch");
		error = -ENOENT;
	}
	return error;
}

/* Reads one event ahead, with the rows in the cache that those behind it will touch. */
static int shard_read(struct shadow_shard *shard)
{
	int result = events_next(&shard->events, &shard->behind);

	if (result < 0)
		return result;
	if (result == 0) {
		shard->behind.size = 0;
		return 0;
	}
	if (shard->behind.data != shard->piece_at)
		ledger_ahead_begin(shard->replay.ledger, &shard->ahead, shard->behind.data,
		    shard->behind.size + events_rest(&shard->events));
	ledger_ahead_step(shard->replay.ledger, &shard->ahead);
	shard->piece_at = (const uint8_t *)shard->behind.data + shard->behind.size;
	return 0;
}

/* The event that was read ahead is the next one: a copy, for reading on gives its place away. */
static int shard_advance(struct shadow_shard *shard)
{
	struct event_record record;

	shard->event_size = shard->behind.size;
	shard->event_ns = UINT64_MAX;
	if (shard->event_size == 0)
		return 0;
	memcpy(shard->event.bytes, shard->behind.data, shard->event_size);
	memcpy(&record, shard->event.bytes, sizeof(record));
	shard->event_ns = le64_get(record.time_ns);
	return shard_read(shard);
}

static int shard_begin(const struct shadow *shadow, struct shadow_shard *shard)
{
	int error;

	shard->scan.from_ns = shadow->from_ns;
	error = scan_events(&shard->scan, shard->path, shard->shard, &shard->damage);
	if (error == 0)
		error = shard_state(shard);
	if (error == 0)
		error = events_open(&shard->events, shard->path, shard->shard, &shard->damage);
	if (error == 0)
		error = shard_read(shard);
	return error != 0 ? error : shard_advance(shard);
}

/* ---- The walk ---- */

static int rules_begin(struct shadow *shadow, const struct shadow_shard *shard)
{
	const struct shard_row *row = ledger_shard(shard->replay.ledger);

	shadow->rules = (struct rule_set){ .rules = row->rules, .extra = row->extra };
	shadow->rules_known = 1;
	shadow->factors_then = row->extra.present;
	return shadow->rules_text == NULL ? 0
	                                  : rules_file_apply(shadow->rules_text, &shadow->rules,
	                                        shadow->message, sizeof(shadow->message));
}

/*
 * A member of a linked group that was refused: for another's sake, or on a state that was undone.
 * The one at fault has its own code and no mark; one that was not lies before or behind it, of the
 * same terminal and time.
 */
static int group_refused(const struct shadow_shard *shard, const struct event_record *record)
{
	uint64_t terminal_id = le64_get(record->terminal_id);
	struct event_record behind;

	if (event_moves(le16_get(record->type), le16_get(record->code)))
		return 0;
	if (shard->group || (record->flags & EVENT_FLAG_LINKED) != 0)
		return 1;
	if (shard->undone_terminal == terminal_id && shard->undone_ns == le64_get(record->time_ns))
		return 1;
	if (shard->behind.size == 0)
		return 0;
	memcpy(&behind, shard->behind.data, sizeof(behind));
	return shadow_is_undone(&behind) && le64_get(behind.terminal_id) == terminal_id &&
	       le64_get(behind.time_ns) == le64_get(record->time_ns);
}

static int event_judge(
    struct shadow *shadow, struct shadow_shard *shard, const struct event_record *record)
{
	const struct db_bytes event = { shard->event.bytes, shard->event_size };
	struct wire_request request;
	struct shadow_outcome after;
	int error;

	if (!shadow->rules_known && rules_begin(shadow, shard) != 0)
		return -EINVAL;
	if (!shadow_request(shard->replay.ledger, &event, record, &request) ||
	    group_refused(shard, record)) {
		shadow->kept += le64_get(record->request_id) != 0;
		return 0;
	}
	error = shadow_decide(shadow, shard, record, &request, &after);
	if (error != 0) { /* a table that is full in the replay, or a request no switch takes */
		shadow->undecided++;
		return 0;
	}
	shadow->requests++;
	shadow_compare(shadow, shard, record, &request, &after);
	return 0;
}

static int event_walk(struct shadow *shadow, struct shadow_shard *shard)
{
	const struct shard_row *row = ledger_shard(shard->replay.ledger);
	const struct db_bytes event = { shard->event.bytes, shard->event_size };
	struct event_record record;
	int error = 0, due;

	memcpy(&record, event.data, sizeof(record));
	due = le64_get(record.lsn) > row->lsn;
	shadow->events++;
	if (due && shard->event_ns >= shadow->from_ns) {
		shadow->range_events++;
		error = event_judge(shadow, shard, &record);
	}
	if (error == 0)
		error = replay_event(&shard->replay, event, &shard->damage);
	shard->group = (record.flags & EVENT_FLAG_LINKED) != 0;
	shard->undone_terminal = shadow_is_undone(&record) ? le64_get(record.terminal_id) : 0;
	shard->undone_ns = shard->event_ns;
	return error != 0 ? error : shard_advance(shard);
}

/* The shard whose next event is the oldest; NULL at the end of the range. */
static struct shadow_shard *shard_next(const struct shadow *shadow)
{
	struct shadow_shard *next = NULL;

	for (uint32_t i = 0; i < shadow->shard_count; i++) {
		struct shadow_shard *shard = &shadow->shards[i];

		if (shard->event_ns < shadow->to_ns &&
		    (next == NULL || shard->event_ns < next->event_ns))
			next = shard;
	}
	return next;
}

static int shadow_run(struct shadow *shadow)
{
	double began = seconds_now(CLOCK_MONOTONIC), range = 0;
	struct shadow_shard *shard;
	int error = 0;

	for (uint32_t i = 0; i < shadow->shard_count && error == 0; i++)
		error = shard_begin(shadow, &shadow->shards[i]);
	while (error == 0 && (shard = shard_next(shadow)) != NULL) {
		if (range == 0 && shard->event_ns >= shadow->from_ns)
			range = seconds_now(CLOCK_PROCESS_CPUTIME_ID);
		error = event_walk(shadow, shard);
	}
	shadow->seconds = seconds_now(CLOCK_MONOTONIC) - began;
	if (range != 0)
		shadow->range_cpu_seconds = seconds_now(CLOCK_PROCESS_CPUTIME_ID) - range;
	return error;
}

/* ---- The command ---- */

static char *file_read(const char *path)
{
	FILE *stream = fopen(path, "r");
	char *text = stream != NULL ? calloc(1, RULES_FILE_MAX + 1) : NULL;
	size_t size = text != NULL ? fread(text, 1, RULES_FILE_MAX, stream) : 0;
	int whole = text != NULL && !ferror(stream) && size < RULES_FILE_MAX;

	if (stream != NULL)
		fclose(stream);
	if (!whole)
		free(text);
	return whole ? text : NULL;
}

static int times_read(const struct options *options, struct shadow *shadow)
{
	shadow->to_ns = UINT64_MAX;
	if (options->from_time == NULL ||
	    backup_time_read(options->from_time, &shadow->from_ns) != 0 ||
	    (options->to_time != NULL && backup_time_read(options->to_time, &shadow->to_ns) != 0)) {
		fprintf(stderr,
		    "sluice-db shadow: --from-time must be a time like 2026-11-21T10:00:00Z, and "
		    "so must --to-time where it is given\n");
		return -EINVAL;
	}
	if (shadow->from_ns < shadow->to_ns)
		return 0;
	fprintf(stderr, "sluice-db shadow: --to-time is not behind --from-time\n");
	return -EINVAL;
}

static int shards_prepare(const struct options *options, struct shadow *shadow)
{
	uint32_t numbers[LIMIT_SHARDS];
	int count = shards_find(options, numbers);

	if (count <= 0)
		return -ENOENT;
	shadow->shards = table_allocate(NULL, (size_t)count * sizeof(*shadow->shards));
	memset(shadow->shards, 0, (size_t)count * sizeof(*shadow->shards));
	shadow->shard_count = (uint32_t)count;
	for (int i = 0; i < count; i++) {
		struct shadow_shard *shard = &shadow->shards[i];
		struct options base = *options;

		shard->shard = shard->damage.shard = numbers[i];
		shard_path(options, numbers[i], shard->path);
		if (options->base != NULL)
			base.root = options->base;
		shard_path(&base, numbers[i], shard->base_path);
	}
	return 0;
}

static void shadow_free(struct shadow *shadow, char *text)
{
	for (uint32_t i = 0; i < shadow->shard_count; i++) {
		events_close(&shadow->shards[i].events);
		replay_close(&shadow->shards[i].replay);
	}
	table_free(&shadow->selections);
	shadow_models_free(shadow);
	free(shadow->examples);
	free(shadow->shards);
	free(shadow);
	free(text);
}

static int failure_tell(const struct shadow *shadow, int error)
{
	const struct damage *damage = NULL;

	for (uint32_t i = 0; i < shadow->shard_count && damage == NULL; i++)
		if (shadow->shards[i].damage.what[0] != '\0')
			damage = &shadow->shards[i].damage;
	if (shadow->message[0] != '\0')
		fprintf(stderr, "sluice-db shadow: rules: %s\n", shadow->message);
	else if (damage != NULL)
		fprintf(stderr, "sluice-db shadow: shard %" PRIu32 ", LSN %" PRIu64 ": %s\n",
		    damage->shard, damage->lsn, damage->what);
	else
		fprintf(stderr, "sluice-db shadow: %s\n", strerror(-error));
	return shadow->message[0] != '\0' ? EXIT_USAGE
	       : error == -ENODATA        ? EXIT_MISSING
	                                  : EXIT_MISMATCH;
}

int command_shadow(const struct options *options)
{
	struct shadow *shadow = table_allocate(NULL, sizeof(*shadow));
	char *text = options->rules != NULL ? file_read(options->rules) : NULL;
	int code = EXIT_USAGE, error;

	(void)!nice(10); /* beside a switch that works */
	memset(shadow, 0, sizeof(*shadow));
	shadow->rules_text = text;
	shadow->model_wanted = (uint32_t)options->model;
	snprintf(shadow->models_path, sizeof(shadow->models_path), "%s/var/lib/sluice/models",
	    options->root);
	shadow->examples_max = options->examples < 0 ? EXAMPLES : (uint32_t)options->examples;
	table_init(&shadow->selections, sizeof(struct shadow_selection));
	if (options->rules != NULL && text == NULL) {
		fprintf(stderr, "sluice-db shadow: %s cannot be read\n", options->rules);
	} else if (times_read(options, shadow) == 0) {
		shadow->examples = table_allocate(
		    NULL, (SHADOW_CHANGES * shadow->examples_max + 1) * sizeof(*shadow->examples));
		error = shards_prepare(options, shadow);
		if (error != 0) {
			fprintf(stderr, "sluice-db: no shards below %s\n", options->root);
			code = EXIT_MISSING;
		} else {
			error = shadow_run(shadow);
			code = error != 0 ? failure_tell(shadow, error) : EXIT_DONE;
		}
		if (code == EXIT_DONE && options->json) {
			json_t *object = shadow_json(shadow);

			json_dumpf(object, stdout, JSON_INDENT(1));
			putchar('\n');
			json_decref(object);
		} else if (code == EXIT_DONE) {
			shadow_print_text(shadow);
		}
	}
	shadow_free(shadow, text);
	return code;
}
