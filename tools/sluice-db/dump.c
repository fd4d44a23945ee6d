/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/db.h"
#include "wire/codes.h"

static const char *type_name(uint16_t type)
{
	static const char *const names[] = {
		[EVENT_ACCOUNT_OPEN] = "ACCOUNT_OPEN",
		[EVENT_DEPOSIT] = "DEPOSIT",
		[EVENT_PLACE_BET] = "PLACE_BET",
		[EVENT_CANCEL_BET] = "CANCEL_BET",
		[EVENT_MARKET_SET] = "MARKET_SET",
		[EVENT_RULES_SET] = "RULES_SET",
		[EVENT_COMMAND_MARK] = "COMMAND_MARK",
		[EVENT_TICK] = "TICK",
		[EVENT_ACCOUNT_FREEZE] = "ACCOUNT_FREEZE",
		[EVENT_TERMINAL_SET] = "TERMINAL_SET",
	};

	return type < SLUICE_ARRAY_COUNT(names) && names[type] != NULL ? names[type] : "UNKNOWN";
}

static json_t *event_json(uint32_t shard, const struct event_record *record, const uint8_t *body)
{
	json_t *object = json_object(), *legs;

#define NUMBER(name, value) json_object_set_new(object, name, json_integer((json_int_t)(value)))
	NUMBER("shard", shard);
	NUMBER("lsn", le64_get(record->lsn));
	NUMBER("time_ns", le64_get(record->time_ns));
	json_object_set_new(object, "type", json_string(type_name(le16_get(record->type))));
	json_object_set_new(object, "code", json_string(wire_code_name(le16_get(record->code))));
	NUMBER("terminal", le64_get(record->terminal_id));
	NUMBER("request", le64_get(record->request_id));
	NUMBER("account", le64_get(record->account_id));
	NUMBER("amount", le64s_get(record->amount));
	NUMBER("balance", le64s_get(record->balance));
	NUMBER("currency", le16_get(record->currency));
	/* Bet ids use all 64 bits; JSON numbers here are signed. */
	json_object_set_new(
	    object, "object", json_sprintf("%" PRIu64, le64_get(record->object_id)));
	NUMBER("payout", le64s_get(record->payout));
	NUMBER("score", record->score);
	NUMBER("factor_bits", le32_get(record->factor_bits));
	NUMBER("rule_version", le32_get(record->rule_version));
	NUMBER("prev_terminal_lsn", le64_get(record->prev_terminal_lsn));
	NUMBER("prev_account_lsn", le64_get(record->prev_account_lsn));
	if (le16_get(record->type) == EVENT_TERMINAL_SET) {
		struct event_terminal terminal;

		memcpy(&terminal, body, sizeof(terminal));
		NUMBER("terminal_version", le64_get(terminal.version));
		NUMBER("rights", le32_get(terminal.rights));
		NUMBER("daily_max", le64s_get(terminal.daily_max));
		NUMBER("blocked", terminal.blocked);
	}
#undef NUMBER
	if (record->leg_count == 0)
		return object;
	legs = json_array();
	for (unsigned i = 0; i < record->leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, body + i * sizeof(leg), sizeof(leg));
		json_array_append_new(
		    legs, json_pack("{s:I, s:i, s:i}", "market",
		              (json_int_t)le64_get(leg.market_id), "selection",
		              (int)le16_get(leg.selection), "odds", (int)le32_get(leg.odds)));
	}
	json_object_set_new(object, "legs", legs);
	return object;
}

static void event_print(const struct options *options, uint32_t shard, struct db_bytes event,
    const struct event_record *record, int *first)
{
	if (!options->json) {
		printf("%u %" PRIu64 " %" PRIu64 " %-14s %-24s terminal %" PRIu64 "/%" PRIu64
		       " account %" PRIu64 " amount %" PRId64 " balance %" PRId64 " object %" PRIu64
		       " score %u\n",
		    shard, le64_get(record->lsn), le64_get(record->time_ns),
		    type_name(le16_get(record->type)), wire_code_name(le16_get(record->code)),
		    le64_get(record->terminal_id), le64_get(record->request_id),
		    le64_get(record->account_id), le64s_get(record->amount),
		    le64s_get(record->balance), le64_get(record->object_id), record->score);
		return;
	}
	json_t *object = event_json(shard, record, (const uint8_t *)event.data + sizeof(*record));

	printf("%s", *first ? "\n" : ",\n");
	json_dumpf(object, stdout, JSON_COMPACT);
	json_decref(object);
	*first = 0;
}

static int wanted(const struct options *options, const struct event_record *record)
{
	uint64_t lsn = le64_get(record->lsn);

	return lsn >= options->from && lsn <= options->to &&
	       (options->terminal == 0 || le64_get(record->terminal_id) == options->terminal) &&
	       (options->account == 0 || le64_get(record->account_id) == options->account);
}

/* 0 or -errno, the damage on standard error. */
static int shard_dump(const struct options *options, uint32_t shard, int *first)
{
	struct damage damage = { .shard = shard };
	struct events events;
	struct db_bytes event;
	char path[PATH_MAX];
	int result;

	shard_path(options, shard, path);
	result = events_open(&events, path, shard, &damage);
	if (result == 0) {
		while ((result = events_next(&events, &event)) == 1) {
			struct event_record record;

			memcpy(&record, event.data, sizeof(record));
			if (le64_get(record.lsn) > options->to) {
				result = 0;
				break;
			}
			if (!wanted(options, &record))
				continue;
			if (event_check(event.data, event.size) != 0) {
				damage_note(&damage, le64_get(record.lsn), "event malformed");
				result = -1;
				break;
			}
			event_print(options, shard, event, &record, first);
		}
		events_close(&events);
	}
	if (result != 0)
		fprintf(stderr, "sluice-db: shard %u, LSN %" PRIu64 ": %s\n", shard, damage.lsn,
		    damage.what);
	return result;
}

int command_dump(const struct options *options)
{
	uint32_t shards[LIMIT_SHARDS];
	int count = shards_find(options, shards), first = 1, failed = 0;

	if (count < 0) {
		fprintf(stderr, "sluice-db: no shard under %s/var/lib/sluice; check --root\n",
		    options->root);
		return EXIT_MISSING;
	}
	if (options->json)
		printf("{\"schema\": \"sluice-db.dump/1\", \"events\": [");
	for (int i = 0; i < count; i++)
		failed |= shard_dump(options, shards[i], &first) != 0;
	if (options->json)
		printf("\n], \"complete\": %s}\n", failed ? "false" : "true");
	return failed ? EXIT_MISMATCH : EXIT_DONE;
}

/* ---- stat: what is there, without reading the events ---- */

static void stat_rows(json_t *object, const char *path)
{
	static const char *const names[] = {
#define STAT_NAME(name, text) [SCHEMA_##name] = text,
		SCHEMA_ROW_TABLES(STAT_NAME)
#undef STAT_NAME
	};
	struct record_checkpoint checkpoint;
	uint32_t version = 0;
	struct db_env *env;
	struct db_txn txn;

	if (schema_rows_open(&env, path, 1) != 0)
		return;
	if (db_read_open(&txn, env) == 0) {
		if (db_read_begin(&txn) == 0) {
			(void)!schema_version_read(&txn, &version);
			json_object_set_new(object, "schema_version", json_integer(version));
			for (unsigned i = SCHEMA_ACCOUNT; i < SCHEMA_ROW_TABLE_COUNT; i++) {
				uint64_t count = 0;
				char name[32];

				(void)!db_count(&txn, i, &count);
				snprintf(name, sizeof(name), "%s_rows", names[i]);
				json_object_set_new(object, name, json_integer((json_int_t)count));
			}
			if (schema_checkpoint_read(&txn, &checkpoint) == 0) {
				json_object_set_new(object, "checkpoint_lsn",
				    json_integer((json_int_t)le64_get(checkpoint.begin_lsn)));
				json_object_set_new(
				    object, "clean", json_boolean(checkpoint.clean));
			}
		}
		db_read_close(&txn);
	}
	json_object_set_new(object, "row_bytes", json_integer((json_int_t)db_env_used(env)));
	db_env_close(env);
}

static void stat_log(json_t *object, const char *path)
{
	uint64_t *list = NULL, bytes = 0, last = 0;
	int count = schema_log_list(path, &list);

	for (int i = 0; i < count; i++) {
		struct db_env *env;
		struct db_txn txn;

		if (schema_log_open(&env, path, list[i], 1) != 0)
			continue;
		bytes += db_env_used(env);
		last = list[i] - 1;
		if (db_read_open(&txn, env) == 0) {
			if (db_read_begin(&txn) == 0)
				(void)!log_last_lsn(&txn, &last);
			db_read_close(&txn);
		}
		db_env_close(env);
	}
	json_object_set_new(object, "log_environments", json_integer(count < 0 ? 0 : count));
	json_object_set_new(
	    object, "log_first_lsn", json_integer(count > 0 ? (json_int_t)list[0] : 0));
	json_object_set_new(object, "log_last_lsn", json_integer((json_int_t)last));
	json_object_set_new(object, "log_bytes", json_integer((json_int_t)bytes));
	free(list);
}

static void stat_journal(json_t *object, const char *path, uint32_t shard)
{
	char directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	uint64_t oldest = 0, newest = 0;
	struct journal_reader *reader;

	snprintf(directory, sizeof(directory), "%s/journal", path);
	if (journal_reader_open(&reader, &config) != 0)
		return;
	(void)!journal_reader_range(reader, &oldest, &newest);
	journal_reader_close(reader);
	json_object_set_new(object, "journal_oldest", json_integer((json_int_t)oldest));
	json_object_set_new(object, "journal_newest", json_integer((json_int_t)newest));
}

int command_stat(const struct options *options)
{
	uint32_t shards[LIMIT_SHARDS];
	int count = shards_find(options, shards);
	json_t *list, *root;

	if (count < 0) {
		fprintf(stderr, "sluice-db: no shard under %s/var/lib/sluice; check --root\n",
		    options->root);
		return EXIT_MISSING;
	}
	list = json_array();
	for (int i = 0; i < count; i++) {
		json_t *object = json_pack("{s:i}", "shard", (int)shards[i]);
		char path[PATH_MAX];

		shard_path(options, shards[i], path);
		stat_rows(object, path);
		stat_log(object, path);
		stat_journal(object, path, shards[i]);
		json_array_append_new(list, object);
	}
	if (options->json) {
		root = json_pack("{s:s, s:O}", "schema", "sluice-db.stat/1", "shards", list);
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(root);
	} else {
		size_t i;
		json_t *object, *value;
		const char *name;

		json_array_foreach(list, i, object) json_object_foreach(object, name, value)
		    printf("%-18s %" JSON_INTEGER_FORMAT "\n", name,
		        json_is_boolean(value) ? json_is_true(value) : json_integer_value(value));
	}
	json_decref(list);
	return EXIT_DONE;
}
