/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/dump.h"

static void event_print(
    const struct options *options, uint32_t shard, const struct event_view *view, int *first)
{
	json_t *object;

	if (!options->json) {
		event_text(shard, view);
		return;
	}
	object = event_json(shard, view);
	printf("%s", *first ? "\n" : ",\n");
	json_dumpf(object, stdout, JSON_COMPACT);
	json_decref(object);
	*first = 0;
}

/* 1: the event has to do with the account: as its own, in a line, or in an object. */
static int names_account(const struct event_view *view, uint64_t account)
{
	if (le64_get(view->record.account_id) == account)
		return 1;
	for (unsigned i = 0; i < view->line_count; i++)
		if (view->lines[i].account_id == account)
			return 1;
	return 0;
}

static int wanted(const struct options *options, const struct event_view *view)
{
	return (options->terminal == 0 ||
	           le64_get(view->record.terminal_id) == options->terminal) &&
	       (options->account == 0 || names_account(view, options->account));
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
			struct event_view view;

			memcpy(&record, event.data, sizeof(record));
			if (le64_get(record.lsn) > options->to) {
				result = 0;
				break;
			}
			if (le64_get(record.lsn) < options->from)
				continue;
			if (event_check(event.data, event.size) != 0 ||
			    event_view_read(event.data, event.size, &view) != 0) {
				damage_note(&damage, le64_get(record.lsn), "event malformed");
				result = -1;
				break;
			}
			if (wanted(options, &view))
				event_print(options, shard, &view, first);
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
