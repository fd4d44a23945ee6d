/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs beside the workers and nobody waits for: the thread that seals and archives, the look
 * at the disk, and what is said of both and of the store when something fails.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/switch.h"

#define SEAL_NICE     10
#define SEAL_IDLE_US  20000
#define SEAL_PAUSE_US 1000 /* between slices of 256 KiB: some 200 MB/s at most */
#define SEAL_HURRY_US 50   /* when segments pile up */
#define SEAL_PILE     2    /* finished segments not released */
#define DISK_LOOK_NS  200000000ull
#define FINISH_SLICES 400 /* at a stop: no more than this is waited for */

static void pause_us(unsigned us)
{
	struct timespec wait = { us / 1000000, us % 1000000 * 1000L };

	(void)nanosleep(&wait, NULL);
}

static uint64_t clock_real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* A settlement is walked, and the store threads give way to it (give_way.h). */
static int walk_goes_on(struct switch_process *process)
{
	for (uint32_t i = 0; i < process->shared.shard_count; i++)
		/* relaxed: a hint */
		if (atomic_load_explicit(&process->background[i].gives_way, memory_order_relaxed) !=
		    0)
			return 1;
	return 0;
}

/* One round over all shards. Microseconds to pause. */
static unsigned seal_round(struct switch_process *process)
{
	unsigned pause = SEAL_IDLE_US;

	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		struct journal_sealer *sealer = process->background[i].sealer;

		if (journal_sealer_backlog(sealer) < SEAL_PILE && walk_goes_on(process))
			continue;
		if (journal_sealer_work(sealer, clock_real_ns()) != 1)
			continue;
		if (journal_sealer_backlog(sealer) >= SEAL_PILE)
			pause = SEAL_HURRY_US;
		else if (pause > SEAL_PAUSE_US)
			pause = SEAL_PAUSE_US;
	}
	return pause;
}

static void *seal_thread(void *context)
{
	struct switch_process *process = context;

	/* Linux: of this thread alone. Hashing and compressing give way to everything else. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), SEAL_NICE);
	/* P1 */
	while (atomic_load_explicit(&process->workers_ended, memory_order_acquire) == 0)
		pause_us(seal_round(process));
	/* What is begun is finished if that is soon; else the next start begins it again. */
	for (int i = 0; i < FINISH_SLICES && seal_round(process) != SEAL_IDLE_US; i++)
		;
	return NULL;
}

int switch_seal_start(struct switch_process *process)
{
	int error = pthread_create(&process->seal_thread, NULL, seal_thread, process);
	cpu_set_t set;

	if (error != 0)
		return error;
	(void)pthread_setname_np(process->seal_thread, "sluice-seal");
	CPU_ZERO(&set);
	CPU_SET(process->config->lcores.store, &set);
	(void)pthread_setaffinity_np(process->seal_thread, sizeof(set), &set);
	process->seal_started = 1;
	return 0;
}

void switch_seal_stop(struct switch_process *process)
{
	if (process->seal_started)
		pthread_join(process->seal_thread, NULL);
	process->seal_started = 0;
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		journal_sealer_free(process->background[i].sealer);
		process->background[i].sealer = NULL;
	}
}

void switch_disk_look(struct shard_parts *parts, uint64_t now_ns)
{
	struct switch_process *process = parts->process;
	struct shard_background *background = &process->background[parts->shard];
	struct statvfs disk;
	struct store_status store;
	uint64_t used, room;
	enum disk_state state;

	if (now_ns - parts->disk_looked_ns < DISK_LOOK_NS)
		return;
	parts->disk_looked_ns = now_ns;
	if (statvfs(parts->directory, &disk) != 0)
		return; /* the store will say what is wrong with it */
	store_status(process->stores[parts->shard], &store);
	used = journal_keeper_bytes(parts->keeper) + store.log_bytes + store.row_bytes;
	room = (uint64_t)disk.f_bavail * disk.f_frsize;
	state = disk_judge(&parts->disk,
	    (enum disk_state)atomic_load_explicit(&background->disk_state, memory_order_relaxed),
	    used, room);
	/* relaxed: figures; the worker obeys the last line alone */
	atomic_store_explicit(&background->disk_used, used, memory_order_relaxed);
	atomic_store_explicit(&background->disk_free, room, memory_order_relaxed);
	atomic_store_explicit(&background->disk_state, (uint64_t)state, memory_order_relaxed);
	atomic_store_explicit(
	    &process->shared.disk_full[parts->shard], state != DISK_ROOM, memory_order_relaxed);
}

/* ---- What is said ---- */

static void disk_health(struct shard_parts *parts, const struct shard_background *background)
{
	uint64_t state = atomic_load_explicit(&background->disk_state, memory_order_relaxed);

	if (state == parts->disk_said)
		return;
	parts->disk_said = state;
	if (state == DISK_ROOM)
		log_line(LOG_LEVEL_INFO, "disk", "shard %u: there is room again", parts->shard);
	else
		log_line(LOG_LEVEL_ERROR, "disk",
		    "shard %u: %s; requests are answered BUSY until there is room: retire logs "
		    "(store.log_keep_mib), move archives away, or enlarge the disk",
		    parts->shard,
		    state == DISK_QUOTA ? "its files have reached store.disk_quota_mib"
		                        : "less than store.disk_free_mib is free");
}

static void store_health(struct shard_parts *parts, const struct store_status *store)
{
	if (store->divergences + store->errors != parts->store_errors_said)
		log_line(LOG_LEVEL_ERROR, "store",
		    "shard %u: the store has failed (%" PRIu64 " divergences, %" PRIu64
		    " errors); run sluice-db verify before the next start",
		    parts->shard, store->divergences, store->errors);
	parts->store_errors_said = store->divergences + store->errors;
	if (store->waiting != parts->store_waiting_said)
		log_line(store->waiting != 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "store",
		    store->waiting != 0
		        ? "shard %u: the store waits for room on its disk (%s); the journal keeps "
		          "what comes"
		        : "shard %u: the store goes on (%s)",
		    parts->shard, strerror((int)store->waiting));
	parts->store_waiting_said = store->waiting;
}

static void seal_health(struct shard_parts *parts, const struct shard_background *background)
{
	struct journal_sealer_status seals;

	if (background->sealer == NULL)
		return;
	journal_sealer_status(background->sealer, &seals);
	if (seals.seals_damaged != parts->seals_damaged_said)
		log_line(LOG_LEVEL_ERROR, "seals",
		    "shard %u: segment %" PRIu64
		    " was damaged when it was sealed: the disk does not keep what it is given; run "
		    "sluice-db verify",
		    parts->shard, seals.sealed_segment);
	if ((seals.seal_errors != 0) != (parts->seal_errors_said != 0))
		log_line(LOG_LEVEL_ERROR, "seals",
		    "shard %u: a segment could not be sealed; it is tried again every second, and "
		    "none is used again before: see the disk of the journal",
		    parts->shard);
	if (seals.archive_error != parts->archive_error_said)
		log_line(seals.archive_error != 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "archive",
		    seals.archive_error != 0
		        ? "shard %u: archiving into %.512s fails (%s); it is tried again every "
		          "second, and no segment is used again before"
		        : "shard %u: archiving into %.512s goes on (%s)",
		    parts->shard, background->archive, strerror((int)seals.archive_error));
	parts->seals_damaged_said = seals.seals_damaged;
	parts->seal_errors_said = seals.seal_errors;
	parts->archive_error_said = seals.archive_error;
}

/* What fails beside the workers stops nothing at once, so it must be said: once for each new value.
 */
void switch_background_health(struct switch_process *process)
{
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		struct shard_parts *parts = &process->shards[i];
		const struct shard_background *background = &process->background[i];
		/* relaxed: a figure of the store thread */
		int64_t keeper =
		    atomic_load_explicit(&background->keeper_error, memory_order_relaxed);
		struct store_status store;

		if (keeper != 0 && keeper != parts->keeper_error_said)
			log_line(LOG_LEVEL_ERROR, "segments",
			    "shard %u: a journal segment could not be made or recycled: %s; make "
			    "room on the disk, or bets will be answered BUSY",
			    i, strerror((int)-keeper));
		parts->keeper_error_said = keeper;
		store_status(process->stores[i], &store);
		store_health(parts, &store);
		disk_health(parts, background);
		seal_health(parts, background);
	}
}
