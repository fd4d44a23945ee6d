/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/sluice-db/db.h"

struct totals {
	uint64_t events, accounts, state_hash;
	struct table sums; /* struct derived_sum over all shards */
	struct damage damage;
	json_t *shards;
};

/*
 * Last LSN there is now. Rows are read after this and may be newer, so events are read to their
 * real end in the second pass; this one only sizes tables.
 */
static int last_lsn_find(const char *path, uint32_t shard, uint64_t *last, struct damage *damage)
{
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	while ((result = events_next(&events, &event)) == 1)
		;
	*last = events.next_lsn - 1;
	events_close(&events);
	return result;
}

static int shard_pass(const char *path, uint32_t shard, struct replay *replay,
    struct derive *derive, struct table *sums, struct damage *damage, uint64_t *hash)
{
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	derive_init(derive, events.first_lsn, damage);
	while ((result = events_next(&events, &event)) == 1) {
		if (event_check(event.data, event.size) != 0) {
			damage_note(damage, events.next_lsn - 1, "event malformed");
			result = -EBADMSG;
			break;
		}
		result = derive_event(derive, event);
		if (result == 0)
			result = replay_event(replay, event, damage);
		if (result != 0)
			break;
	}
	if (result == 0)
		result = derive_sums(derive, sums);
	if (result == 0)
		result = replay_compare(replay, derive, &events, hash, damage);
	events_close(&events);
	return result;
}

static void shard_report(struct totals *totals, uint32_t shard, const struct derive *derive,
    uint64_t hash, const struct damage *damage)
{
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, hash);
	json_array_append_new(totals->shards,
	    json_pack("{s:i, s:b, s:I, s:I, s:I, s:b, s:s}", "shard", (int)shard, "ok",
	        damage->what[0] == '\0', "events", (json_int_t)derive->events, "last_lsn",
	        (json_int_t)(derive->next_lsn - 1), "accounts", (json_int_t)derive->customers,
	        "complete", derive->complete, "state_hash", text));
}

static void shard_verify(const struct options *options, uint32_t shard, struct totals *totals)
{
	struct damage damage = { .shard = shard };
	struct replay replay = { 0 };
	struct derive derive = { 0 };
	struct table sums = { 0 };
	uint64_t last = 0, hash = 0;
	char path[PATH_MAX];
	int result;

	shard_path(options, shard, path);
	result = last_lsn_find(path, shard, &last, &damage);
	if (result == 0)
		result = replay_open(&replay, path, last + 65536, &damage);
	if (result == 0)
		result = shard_pass(path, shard, &replay, &derive, &sums, &damage, &hash);
	if (sums.entry_size == 0) /* as far as the events could be read */
		(void)derive_sums(&derive, &sums);
	for (uint32_t i = 0; i < sums.count; i++) {
		const struct derived_sum *sum = table_at(&sums, i);
		struct derived_sum *total = table_get(&totals->sums, sum->currency);

		total->balances += sum->balances;
	}
	if (result != 0)
		damage_note(&damage, 0, "%s", strerror(-result));
	totals->events += derive.events;
	totals->accounts += derive.customers;
	totals->state_hash += hash;
	shard_report(totals, shard, &derive, hash, &damage);
	if (damage.what[0] != '\0' && totals->damage.what[0] == '\0')
		totals->damage = damage;
	table_free(&sums);
	derive_free(&derive);
	replay_close(&replay);
}

static void print_json(struct totals *totals)
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
	/*
	 * transit_open is what is under way between shards. Version 1 has no event that moves money
	 * from shard to shard (lmdb-schema/event.h), so nothing can be; event_check and the
	 * derivation refuse any other type that would.
	 */
	root = json_pack("{s:s, s:b, s:I, s:I, s:o, s:i, s:o, s:s, s:O}", "schema",
	    "sluice-db.verify/1", "ok", totals->damage.what[0] == '\0', "events",
	    (json_int_t)totals->events, "accounts", (json_int_t)totals->accounts, "balance_sum",
	    sums, "transit_open", 0, "first_damage", damage, "state_hash", text, "shards",
	    totals->shards);
	json_dumpf(root, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(root);
}

static void print_text(const struct totals *totals)
{
	printf("events   %" PRIu64 "\naccounts %" PRIu64 "\n", totals->events, totals->accounts);
	for (uint32_t i = 0; i < totals->sums.count; i++) {
		const struct derived_sum *sum = table_at(&totals->sums, i);

		printf(
		    "sum      %" PRId64 " in currency %" PRIu64 "\n", sum->balances, sum->currency);
	}
	printf("state    %016" PRIx64 "\n", totals->state_hash);
	if (totals->damage.what[0] == '\0')
		printf("ok\n");
	else
		printf("NOT OK: shard %u, LSN %" PRIu64 ": %s\n", totals->damage.shard,
		    totals->damage.lsn, totals->damage.what);
}

int command_verify(const struct options *options)
{
	uint32_t shards[LIMIT_SHARDS];
	struct totals totals = { .shards = json_array() };
	int count = shards_find(options, shards);

	if (count < 0) {
		fprintf(stderr, "sluice-db: no shard under %s/var/lib/sluice; check --root\n",
		    options->root);
		json_decref(totals.shards);
		return EXIT_MISSING;
	}
	table_init(&totals.sums, sizeof(struct derived_sum));
	for (int i = 0; i < count; i++)
		shard_verify(options, shards[i], &totals);
	if (options->json)
		print_json(&totals);
	else
		print_text(&totals);
	table_free(&totals.sums);
	json_decref(totals.shards);
	return totals.damage.what[0] == '\0' ? EXIT_DONE : EXIT_MISMATCH;
}
