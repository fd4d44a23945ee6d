/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/ledger/ledger_links.h"
#include "lmdb-schema/log_index.h"
#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/derive.h"
#include "wire/codes.h"

struct shard_state {
	char path[PATH_MAX];
	uint32_t shard;
	struct scan scan;
	struct derive derive;
	struct replay replay;
	struct object_link links[LIMIT_SHARDS]; /* as at the last event ... */
	uint8_t has_links;                      /* ... if there are rows */
	struct damage damage;
	enum verify_part *part; /* what is looked at */
	uint64_t state_hash;
	uint64_t seals; /* segments sealed */
	char seal_chain[65];
	struct archive_found archive;
};

struct totals {
	uint64_t events, accounts, state_hash, transit_open, bets_open;
	struct table sums; /* struct derived_sum over all shards */
	struct damage damage;
	uint32_t generations; /* of the past of a re-sharded switch */
	json_t *shards;
};

static int shard_pass(struct shard_state *state, uint64_t transit_max_s)
{
	struct derive *derive = &state->derive;
	struct damage *damage = &state->damage;
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, state->path, state->shard, damage);

	if (result != 0)
		return result;
	events.log_only = state->scan.log_only;
	derive_init(derive, state->shard, events.first_lsn, damage);
	while ((result = events_next(&events, &event)) == 1) {
		*state->part = VERIFY_EVENTS;
		if (event_check(event.data, event.size) != 0) {
			damage_note(damage, events.next_lsn - 1, "event malformed");
			result = -EBADMSG;
			break;
		}
		result = derive_event(derive, event);
		if (result == 0) {
			*state->part = VERIFY_ROWS;
			result = replay_event(&state->replay, event, damage);
		}
		if (result != 0)
			break;
		*state->part = VERIFY_READING;
	}
	if (result == 0) {
		*state->part = VERIFY_LOG_END;
		result = replay_log_end(&state->replay, &events, damage);
	}
	if (result == 0) {
		*state->part = VERIFY_ROWS;
		result =
		    replay_compare(&state->replay, derive, &events, &state->state_hash, damage);
	}
	if (result == 0)
		result = replay_sums(&state->replay, derive, damage);
	if (result == 0)
		result = replay_closed(&state->replay, state->path, derive, damage);
	if (result == 0) {
		*state->part = VERIFY_EVENTS;
		result = derive_end(derive, transit_max_s);
	}
	events_close(&events);
	return result;
}

static int index_check(const char *path, uint64_t first_lsn)
{
	struct db_env *env;
	struct db_txn txn;
	int error = schema_log_open(&env, path, first_lsn, 1);

	if (error != 0)
		return error == -ENOENT ? 0 : error; /* retired meanwhile */
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = log_index_check(&txn, first_lsn);
		db_read_close(&txn);
	}
	db_env_close(env);
	return error;
}

/* What finds a request in the log: damaged, it would say that there was none. */
static int indexes_check(const char *path, struct damage *damage)
{
	uint64_t *list = NULL;
	int count = schema_log_list(path, &list), error = 0;

	for (int i = 0; i < count && error == 0; i++) {
		error = index_check(path, list[i]);
		if (error == -EBADMSG)
			damage_note(damage, list[i],
			    "log: its index of requests is damaged; sluice-db repair "
			    "--rebuild-index makes it anew");
	}
	free(list);
	return count < 0 ? count : error;
}

static void links_take(struct shard_state *state)
{
	state->has_links = state->replay.ledger != NULL;
	for (uint32_t peer = 0; peer < LIMIT_SHARDS && state->has_links; peer++)
		ledger_link_read(state->replay.ledger, peer, &state->links[peer]);
	derive_floors(&state->derive, state->has_links ? state->links : NULL);
}

static void shard_verify(struct shard_state *state, uint64_t transit_max_s)
{
	int result = 0;

	if (state->damage.what[0] != '\0')
		result = -EBADMSG;
	if (result == 0 && !state->scan.log_only) {
		*state->part = VERIFY_SEALS;
		seals_verify(
		    state->path, state->shard, &state->damage, &state->seals, state->seal_chain);
		result = state->damage.what[0] != '\0' ? -EBADMSG : 0;
	}
	if (result == 0) {
		/* It reads the rows: what ends there is theirs. */
		*state->part = VERIFY_ROWS;
		result = shard_log_check(state->path, state->shard, &state->damage);
		if (result != 0)
			*state->part = VERIFY_READING;
		else
			result = shard_rows_check(state->path, state->shard, &state->damage);
	}
	if (result == 0)
		result = replay_open(&state->replay, state->path, &state->scan, &state->damage);
	if (result == 0) {
		*state->part = VERIFY_READING;
		result = shard_pass(state, transit_max_s);
	}
	if (result == 0) {
		*state->part = VERIFY_INDEX;
		result = indexes_check(state->path, &state->damage);
	}
	if (result != 0)
		damage_note(&state->damage, 0, "%s", strerror(-result));
	links_take(state);
	/* The ledger's tables are needed no more; what was derived is, for the other shards. */
	replay_close(&state->replay);
}

static uint64_t bets_open(const struct derive *derive)
{
	uint64_t count = derive->rows_bets_open;

	for (uint32_t i = 0; i < derive->bets.count && derive->complete; i++) {
		const struct derived_bet *bet = table_at(&derive->bets, i);

		count += bet->state == BET_OPEN;
	}
	return count;
}

static json_t *archive_json(const struct archive_found *archive)
{
	return json_pack("{s:s, s:b, s:I, s:I}", "directory", archive->directory, "ok",
	    archive->damage.what[0] == '\0', "files", (json_int_t)archive->files, "lost",
	    (json_int_t)archive->lost);
}

static void shard_report(struct totals *totals, const struct shard_state *state)
{
	const struct derive *derive = &state->derive;
	uint64_t last = derive->next_lsn == 0 ? 0 : derive->next_lsn - 1;
	json_t *last_shard;
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, state->state_hash);
	json_array_append_new(totals->shards,
	    json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "shard", (int)state->shard,
	        "ok", state->damage.what[0] == '\0' && state->archive.damage.what[0] == '\0',
	        "events", (json_int_t)derive->events, "last_lsn", (json_int_t)last, "accounts",
	        (json_int_t)derive->customers, "bets_open", (json_int_t)bets_open(derive),
	        "transit_open", (json_int_t)derive->transfers_open, "complete", derive->complete,
	        "state_hash", text));
	last_shard = json_array_get(totals->shards, json_array_size(totals->shards) - 1);
	json_object_set_new(
	    last_shard, "first_lsn", json_integer((json_int_t)state->scan.first_lsn));
	json_object_set_new(last_shard, "seals", json_integer((json_int_t)state->seals));
	json_object_set_new(last_shard, "seal_chain", json_string(state->seal_chain));
	if (state->archive.directory[0] != '\0')
		json_object_set_new(last_shard, "archive", archive_json(&state->archive));
	totals->events += derive->events;
	totals->accounts += derive->customers;
	totals->state_hash += state->state_hash;
	totals->transit_open += derive->transfers_open;
	totals->bets_open += bets_open(derive);
	for (uint32_t i = 0; i < derive->sums.count; i++) {
		const struct derived_sum *sum = table_at(&derive->sums, i);
		struct derived_sum *total = table_get(&totals->sums, sum->currency);

		total->balances += sum->balances;
	}
}

/* What left one shard against what arrived at the other. */
static void between_shards(struct shard_state *states, int count, struct totals *totals)
{
	struct transit_shard shards[LIMIT_SHARDS];
	struct damage damage = { 0 };
	uint32_t shard_count = 1;

	for (int i = 0; i < count; i++) {
		shards[i] = (struct transit_shard){
			.derive = &states[i].derive,
			.links = states[i].has_links ? states[i].links : NULL,
			.strict_lsn = states[i].scan.last_lsn,
			.ok = states[i].damage.what[0] == '\0',
		};
		if (states[i].replay.shard_count > shard_count)
			shard_count = states[i].replay.shard_count;
	}
	if (transit_check(shards, (uint32_t)count, shard_count, &damage) != 0 &&
	    totals->damage.what[0] == '\0')
		totals->damage = damage;
}

static json_t *totals_json(struct totals *totals)
{
	json_t *sums = json_object(), *damage = json_null(), *root;
	char text[24];

	for (uint32_t i = 0; i < totals->sums.count; i++) {
		const struct derived_sum *sum = table_at(&totals->sums, i);

		snprintf(text, sizeof(text), "%" PRIu64, sum->currency);
		json_object_set_new(sums, text, json_integer(sum->balances));
	}
	if (totals->damage.what[0] != '\0')
		damage = json_pack("{s:i, s:I, s:s}", "shard", (int)totals->damage.shard, "lsn",
		    (json_int_t)totals->damage.lsn, "what", totals->damage.what);
	snprintf(text, sizeof(text), "%016" PRIx64, totals->state_hash);
	root = json_pack("{s:s, s:b, s:I, s:I, s:o, s:I, s:I, s:o, s:s, s:O}", "schema",
	    "sluice-db.verify/1", "ok", totals->damage.what[0] == '\0', "events",
	    (json_int_t)totals->events, "accounts", (json_int_t)totals->accounts, "balance_sum",
	    sums, "transit_open", (json_int_t)totals->transit_open, "bets_open",
	    (json_int_t)totals->bets_open, "first_damage", damage, "state_hash", text, "shards",
	    totals->shards);
	json_object_set_new(root, "generations", json_integer(totals->generations));
	return root;
}

/* What no log is there for, and so was not looked at: nobody shall take it for proven. */
static int print_unproven(const struct totals *totals)
{
	json_t *shard;
	int unproven = 0;
	size_t i;

	json_array_foreach(totals->shards, i, shard)
	{
		if (json_is_true(json_object_get(shard, "complete")))
			continue;
		unproven = 1;
		printf("shard %" JSON_INTEGER_FORMAT " its log begins at LSN %" JSON_INTEGER_FORMAT
		       ": accounts, bets and sums are those of its rows; what events before that "
		       "made of them was not derived\n",
		    json_integer_value(json_object_get(shard, "shard")),
		    json_integer_value(json_object_get(shard, "first_lsn")));
	}
	return unproven;
}

static void print_archives(const struct totals *totals)
{
	json_t *shard;
	size_t i;

	json_array_foreach(totals->shards, i, shard)
	{
		json_t *archive = json_object_get(shard, "archive");

		if (archive == NULL)
			continue;
		printf("archive  shard %" JSON_INTEGER_FORMAT ": %" JSON_INTEGER_FORMAT
		       " files as they were sealed, %" JSON_INTEGER_FORMAT " missing, in %s\n",
		    json_integer_value(json_object_get(shard, "shard")),
		    json_integer_value(json_object_get(archive, "files")),
		    json_integer_value(json_object_get(archive, "lost")),
		    json_string_value(json_object_get(archive, "directory")));
	}
}

static void print_text(const struct totals *totals)
{
	int unproven;

	printf("events   %" PRIu64 "\naccounts %" PRIu64 "\n", totals->events, totals->accounts);
	for (uint32_t i = 0; i < totals->sums.count; i++) {
		const struct derived_sum *sum = table_at(&totals->sums, i);

		printf(
		    "sum      %" PRId64 " in currency %" PRIu64 "\n", sum->balances, sum->currency);
	}
	unproven = print_unproven(totals);
	printf("bets     %" PRIu64 " open, %s\n", totals->bets_open,
	    unproven ? "STAKES holds what they do" : "each backed by its stake");
	printf("transit  %" PRIu64 " transfers under way\n", totals->transit_open);
	print_archives(totals);
	if (totals->generations > 0)
		printf("past     %u re-shardings, their logs and rows as they were left\n",
		    totals->generations);
	printf("state    %016" PRIx64 "\n", totals->state_hash);
	if (totals->damage.what[0] == '\0')
		printf("ok\n");
	else
		printf("NOT OK: shard %u, LSN %" PRIu64 ": %s\n", totals->damage.shard,
		    totals->damage.lsn, totals->damage.what);
}

void verify_shard_alone(const char *path, uint32_t shard, int log_only, struct verify_found *found)
{
	struct shard_state *state = calloc(1, sizeof(*state));

	*found = (struct verify_found){ .damage = { .shard = shard } };
	if (state == NULL) {
		damage_note(&found->damage, 0, "%s", strerror(ENOMEM));
		return;
	}
	snprintf(state->path, sizeof(state->path), "%s", path);
	state->part = &found->part;
	state->shard = state->damage.shard = shard;
	state->scan.log_only = log_only != 0;
	if (scan_events(&state->scan, path, shard, &state->damage) != 0)
		damage_note(&state->damage, 0, "cannot be read");
	found->first_lsn = state->scan.first_lsn;
	found->last_lsn = state->scan.last_lsn;
	shard_verify(state, UINT64_MAX);
	found->damage = state->damage;
	derive_free(&state->derive);
	free(state);
}

/* One generation of the past: each shard as any other, without a journal. */
static void generation_verify(const struct options *options, uint32_t number, struct damage *damage)
{
	struct options past = *options;
	uint32_t shards[LIMIT_SHARDS];
	char root[PATH_MAX + 64];
	int count;

	snprintf(root, sizeof(root), "%s/" BACKUP_DATA "/history/%u", options->root, number);
	past.root = root;
	count = shards_find(&past, shards);
	for (int i = 0; i < count && damage->what[0] == '\0'; i++) {
		struct verify_found found;
		char path[PATH_MAX];

		shard_path(&past, shards[i], path);
		verify_shard_alone(path, shards[i], 1, &found);
		if (found.damage.what[0] == '\0')
			continue;
		damage->shard = shards[i];
		damage_note(damage, found.damage.lsn, "history/%u: %s", number, found.damage.what);
	}
}

static void past_verify(const struct options *options, struct totals *totals)
{
	struct damage damage = { 0 };

	if (root_past_check(options, &totals->generations, &damage) == 0)
		for (uint32_t i = 1; i <= totals->generations && damage.what[0] == '\0'; i++)
			generation_verify(options, i, &damage);
	if (damage.what[0] != '\0' && totals->damage.what[0] == '\0')
		totals->damage = damage;
}

/* The shards that are there, judged. -1: there are none, or no memory. */
static int all_verify(const struct options *options, struct totals *totals)
{
	uint32_t shards[LIMIT_SHARDS];
	struct shard_state *states;
	enum verify_part part;
	int count = shards_find(options, shards);

	if (count < 0) {
		fprintf(stderr, "sluice-db: no shard under %s/var/lib/sluice; check --root\n",
		    options->root);
		return -1;
	}
	states = calloc((size_t)count, sizeof(*states));
	if (states == NULL) {
		fprintf(stderr, "sluice-db: out of memory; run it on a machine with more\n");
		return -1;
	}
	if (options->shard < 0)
		(void)root_shards_check(options, &totals->damage);
	for (int i = 0; i < count; i++) {
		states[i].shard = states[i].damage.shard = shards[i];
		states[i].part = &part;
		shard_path(options, shards[i], states[i].path);
		(void)root_journal_check(options, shards[i], &states[i].damage);
		if (scan_events(
		        &states[i].scan, states[i].path, states[i].shard, &states[i].damage) != 0)
			damage_note(&states[i].damage, 0, "cannot be read");
	}
	for (int i = 0; i < count; i++) {
		shard_verify(&states[i], options->transit_max_s);
		archive_verify(options, shards[i], &states[i].archive);
		shard_report(totals, &states[i]);
		if (states[i].damage.what[0] != '\0' && totals->damage.what[0] == '\0')
			totals->damage = states[i].damage;
	}
	between_shards(states, count, totals);
	if (options->shard < 0)
		past_verify(options, totals);
	/* Last: the switch itself needs none. */
	for (int i = 0; i < count && totals->damage.what[0] == '\0'; i++)
		totals->damage = states[i].archive.damage;
	for (int i = 0; i < count; i++)
		derive_free(&states[i].derive);
	free(states);
	return 0;
}

json_t *verify_root(const struct options *options, int *exit_code)
{
	struct totals totals = { .shards = json_array() };
	json_t *answer = NULL;

	table_init(&totals.sums, sizeof(struct derived_sum));
	*exit_code = EXIT_MISSING;
	if (all_verify(options, &totals) == 0) {
		answer = totals_json(&totals);
		*exit_code = totals.damage.what[0] == '\0' ? EXIT_DONE : EXIT_MISMATCH;
	}
	table_free(&totals.sums);
	json_decref(totals.shards);
	return answer;
}

int command_verify(const struct options *options)
{
	struct totals totals = { .shards = json_array() };
	int code = EXIT_MISSING;

	table_init(&totals.sums, sizeof(struct derived_sum));
	if (all_verify(options, &totals) == 0) {
		json_t *root = totals_json(&totals);

		if (options->json) {
			json_dumpf(root, stdout, JSON_INDENT(2));
			printf("\n");
		} else {
			print_text(&totals);
		}
		json_decref(root);
		code = totals.damage.what[0] == '\0' ? EXIT_DONE : EXIT_MISMATCH;
	}
	table_free(&totals.sums);
	json_decref(totals.shards);
	return code;
}
