/* SPDX-License-Identifier: Apache-2.0 */
/* What a process holds for its shards: the turn of their store threads, and letting go. */
#include <stdlib.h>
#include <time.h>

#include "dataplane/give_way.h"
#include "dataplane/log.h"
#include "dataplane/switch.h"

/* A few slices: a worker without a ready segment answers BUSY, so they come before the store's
 * work. */
#define KEEPER_SLICES_PER_TURN 8
/*
 * With no segment ready but the one in use. A turn is long while the follower is behind, and it is
 * then that segments must be made, as none is below the checkpoint: at 8 slices of 256 KiB a turn
 * one was not made before the last was full.
 */
#define KEEPER_SLICES_DRY 64
/*
 * With two ready and more asked for: each slice is a synced write of 256 KiB, for which this thread
 * waits. With eight in a row it was 1.0 instead of 0.6 million events behind after 4 s at full
 * load.
 */
#define KEEPER_SLICES_AHEAD 1
#define KEEPER_ENOUGH       2
#define KEEPER_DRY_NS       20000000ull /* of these, on a disk that syncs slowly */

static void keeper_note(struct shard_background *background, int result)
{
	if (result < 0)
		stats_add(&background->keeper_errors, 1);
	if (result != 0)
		atomic_store_explicit(
		    &background->keeper_error, result < 0 ? result : 0, memory_order_relaxed);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int keeper_turn(struct shard_parts *parts, struct store *store)
{
	unsigned ready = journal_keeper_ready(parts->keeper);
	uint64_t begun_ns = monotonic_ns();
	int result = 0, slices = KEEPER_SLICES_PER_TURN;

	if (ready == 0)
		slices = KEEPER_SLICES_DRY;
	else if (ready >= KEEPER_ENOUGH)
		slices = KEEPER_SLICES_AHEAD;

	for (int i = 0; i < slices; i++) {
		int slice;

		if (i >= KEEPER_SLICES_PER_TURN && monotonic_ns() - begun_ns > KEEPER_DRY_NS)
			break;
		slice = journal_keeper_work(parts->keeper, store_checkpoint_lsn(store));

		if (slice <= 0)
			return slice < 0 ? slice : result;
		result = 1;
	}
	return result;
}

/* Whether following waits for the worker's walk: see give_way.h. */
static int gives_way(struct shard_parts *parts, uint64_t now_ns)
{
	struct switch_process *process = parts->process;
	const struct worker *worker = process->workers[parts->shard];
	struct give_way_look look = { .now_ns = now_ns };
	struct store_status status;
	uint64_t durable;
	int result;

	/* relaxed: figures; at worst a turn too early or too late */
	look.walking = atomic_load_explicit(&process->workers_ended, memory_order_relaxed) == 0 &&
	               stats_get(&worker->stats.walks_open) != 0;
	if (look.walking) {
		store_status(process->stores[parts->shard], &status);
		durable = stats_get(&worker->stats.durable_lsn);
		look.events_left = durable > status.applied_lsn ? durable - status.applied_lsn : 0;
		look.journal_crowded = journal_keeper_crowded(
		    parts->keeper, store_checkpoint_lsn(process->stores[parts->shard]));
	}
	result = give_way_judge(&parts->walking_since_ns, &look);
	/* relaxed: a hint to the sealing thread */
	atomic_store_explicit(
	    &process->background[parts->shard].gives_way, (uint64_t)result, memory_order_relaxed);
	return result;
}

struct switch_store_turn switch_store_turn(struct shard_parts *parts, uint64_t now_ns)
{
	struct store *store = parts->process->stores[parts->shard];
	struct switch_store_turn turn;

	store_hurry(store, journal_keeper_crowded(parts->keeper, store_checkpoint_lsn(store)));
	turn.work = gives_way(parts, now_ns)
	                ? 0
	                : store_work(store, parts->feed, parts->journal_reader, now_ns);
	turn.keeper = keeper_turn(parts, store);
	keeper_note(&parts->process->background[parts->shard], turn.keeper);
	return turn;
}

void switch_shard_free(struct switch_process *process, uint32_t shard)
{
	struct shard_parts *parts = &process->shards[shard];

	log_history_close(process->histories[shard]);
	store_close(process->stores[shard]);
	journal_reader_close(parts->journal_reader);
	journal_keeper_free(parts->keeper);
	journal_feed_free(parts->feed);
	worker_free(process->workers[shard]);
	ledger_free(parts->ledger);
	parts->ledger = NULL;
}

int switch_archive_configure(struct switch_process *process, uint32_t shard)
{
	const struct config_archive *config = &process->config->archive;
	struct journal_archive_config *archive = &process->shards[shard].archive;
	int length;

	*archive = (struct journal_archive_config){ .keep_days = config->keep_days,
		.keep_bytes = (uint64_t)config->keep_mib << 20 };
	if (config->directory == NULL)
		return 0;
	if (config->directory[0] == '/')
		length = snprintf(archive->directory, sizeof(archive->directory), "%s/shard-%u",
		    config->directory, shard);
	else
		length = snprintf(archive->directory, sizeof(archive->directory),
		    "%s/var/lib/sluice/%s/shard-%u", process->root, config->directory, shard);
	if (length < 0 || (size_t)length >= sizeof(archive->directory)) {
		snprintf(process->message, sizeof(process->message),
		    "archive.directory: the name is too long");
		return EXIT_REFUSED;
	}
	snprintf(archive->name, sizeof(archive->name), "%s", config->directory);
	return switch_make_directory(process, archive->directory);
}

int switch_seal_create(struct switch_process *process, uint32_t shard)
{
	struct shard_parts *parts = &process->shards[shard];
	struct shard_background *background = &process->background[shard];
	char message[1000]; /* behind the shard, in process->message */

	background->archive = parts->archive.directory;
	if (journal_sealer_create(&background->sealer, &parts->journal_config, &parts->archive,
	        parts->keeper, message, sizeof(message)) != 0) {
		snprintf(
		    process->message, sizeof(process->message), "shard %u: %s", shard, message);
		return EXIT_REFUSED;
	}
	if (message[0] != '\0')
		log_line(LOG_LEVEL_WARNING, "seals", "shard %u: %s", shard, message);
	return 0;
}
