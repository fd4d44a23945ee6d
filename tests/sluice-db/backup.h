/* SPDX-License-Identifier: Apache-2.0 */
/* Roots of random streams, backups of them, and what a shard must be at an LSN. */
#ifndef SLUICE_TESTS_SLUICE_DB_BACKUP_H
#define SLUICE_TESTS_SLUICE_DB_BACKUP_H

#include "tests/ledger/shards_stream.h"
#include "tests/sluice-db/say.h"
#include "tests/sluice-db/shards_root.h"

static inline struct shards *stream_make(uint64_t seed, unsigned steps)
{
	struct shards *shards = shards_new(seed);
	struct shards_stream *stream = shards_stream_new(shards, 0);

	for (unsigned i = 0; i < steps; i++)
		shards_stream_step(stream);
	shards_stream_free(stream);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		shards_sync(shards, shard);
	return shards;
}

/* The last LSN of a shard that is not later than a time. */
static inline uint64_t lsn_until(const struct shards *shards, uint32_t shard, uint64_t time_ns)
{
	uint64_t lsn = 0;

	while (lsn < root_last(shards, shard) &&
	       le64_get(shards_record(shards, shard, lsn + 1).time_ns) <= time_ns)
		lsn++;
	return lsn;
}

/* State hash behind an LSN, by the ledger from nothing. */
static inline uint64_t hash_at(const struct shards *shards, uint32_t shard, uint64_t last)
{
	struct ledger *ledger = ledger_create(&shards->config[shard]);
	const struct shard_log *log = &shards->log[shard];
	uint64_t hash;

	assert_non_null(ledger);
	for (uint64_t lsn = 1; lsn <= last; lsn++)
		assert_int_equal(ledger_apply(ledger, log->bytes + log->at[lsn - 1],
		                     log->size - log->at[lsn - 1]),
		    0);
	hash = ledger_state_hash(ledger);
	ledger_free(ledger);
	return hash;
}

__attribute__((format(printf, 1, 2))) static inline void must_run(const char *format, ...)
{
	char arguments[700], said[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(arguments, sizeof(arguments), format, list);
	va_end(list);
	if (say_run(said, "%s", arguments) != 0)
		fail_msg("%s: %s", arguments, said);
}

/* A root verifies, and each shard is what the streams say it was at its LSN. */
static inline void root_is(
    const struct shards *shards, const char *root, const uint64_t lsns[SHARDS])
{
	char arguments[200];
	json_t *answer, *shard;
	size_t i;
	int status;

	snprintf(arguments, sizeof(arguments), "verify --json --root '%s' --transit-max 999999999",
	    root);
	status = root_run(arguments, &answer);
	assert_non_null(answer);
	if (status != 0)
		fail_msg("%s", text_of(json_object_get(answer, "first_damage"), "what"));
	json_array_foreach(json_object_get(answer, "shards"), i, shard)
	{
		char hash[24];

		snprintf(hash, sizeof(hash), "%016" PRIx64, hash_at(shards, (uint32_t)i, lsns[i]));
		assert_int_equal(json_integer_value(json_object_get(shard, "last_lsn")), lsns[i]);
		if (lsns[i] > 0)
			assert_string_equal(text_of(shard, "state_hash"), hash);
	}
	assert_int_equal(i, SHARDS);
	json_decref(answer);
}

#endif
