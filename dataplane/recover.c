/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start of the durable part: every shard is brought to its last durable event before any port
 * opens.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/ledger/ledger_links.h"
#include "dataplane/log.h"
#include "dataplane/placement.h"
#include "dataplane/switch.h"

/* Batch buffers of a shard: in flight, open, and lent to the store thread. 24 MiB; few for the
 * simulator, so that they run out now and then (shard/rings.h). */
#ifdef SLUICE_SMALL_RINGS
#define FEED_BUFFERS 12
#else
#define FEED_BUFFERS 192
#endif

/*
 * Bytes of journal read and checked ahead of the applying, in a second thread; about a million
 * events, so that what is left to do when the end is reached (the scan behind it) is done
 * meanwhile. The simulator has one thread: the same is done in turn.
 */
#ifdef SLUICE_SMALL_RINGS
#define RECOVERY_AHEAD 0
/* Batches that are not large are written beside others, or two would hardly ever be in flight. */
#define CLOSE_SIZE 1024
#else
#define CLOSE_SIZE     0
#define RECOVERY_AHEAD (128u << 20)
#endif

/* Events in a run of the log's index; 0: as lmdb-schema has it. Few, so that runs are merged. */
#ifdef SLUICE_SMALL_RINGS
#define LOG_RUN 24
#else
#define LOG_RUN 0
#endif

/* What sizes of logs are counted in, as a power of two: MiB, or 4 KiB, so that a short run changes
 * logs often and puts the oldest away. */
#ifdef SLUICE_SMALL_RINGS
#define LOG_SIZE_SHIFT 12
#else
#define LOG_SIZE_SHIFT 20
#endif
/* New bets in the journal from which on memory is populated for more: so many touch every page of
 * the index anyway. */
#define POPULATE_FROM 262144u

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* A name just made must outlive a power failure: what is durable below it would be lost with it. */
static void parent_sync(const char *path)
{
	char parent[4400];
	char *slash;
	int fd;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		return;
	slash[slash == parent] = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return; /* a folder of the system that we may not read is older than we are */
	(void)fsync(fd);
	close(fd);
}

int switch_make_directory(struct switch_process *process, const char *path)
{
	char part[4400];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = part + 1;; slash++) {
		char kept = *slash;

		if (kept != '/' && kept != '\0')
			continue;
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST) {
			snprintf(process->message, sizeof(process->message),
			    "cannot make %.512s: %s; check the permissions, or choose another root "
			    "with --root",
			    part, strerror(errno));
			return EXIT_UNREACHABLE;
		}
		parent_sync(part);
		*slash = kept;
		if (kept == '\0')
			return 0;
	}
}

static int instance_lock(struct switch_process *process)
{
	char path[4400], text[24];
	int length;

	snprintf(path, sizeof(path), "%s/run/sluice/dataplane.pid", process->root);
	process->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (process->lock_fd < 0 || flock(process->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		snprintf(process->message, sizeof(process->message),
		    errno == EWOULDBLOCK
		        ? "%.512s: another data plane runs under this root; stop it "
		          "first, or choose another --root"
		        : "%.512s cannot be locked; check the permissions",
		    path);
		return EXIT_UNREACHABLE;
	}
	length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(process->lock_fd, 0) != 0 ||
	    write(process->lock_fd, text, (size_t)length) != length)
		return EXIT_UNREACHABLE;
	return 0;
}

int switch_directories(struct switch_process *process)
{
	static const char *const parts[] = { "run/sluice", "var/lib/sluice", "var/log/sluice",
		"etc/sluice" };
	char path[4400];

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(parts); i++) {
		int status;

		snprintf(path, sizeof(path), "%s/%s", process->root, parts[i]);
		status = switch_make_directory(process, path);
		if (status != 0)
			return status;
	}
	return instance_lock(process);
}

static void shard_configure(struct switch_process *process, uint32_t shard)
{
	const struct dataplane_config *config = process->config;
	struct shard_parts *parts = &process->shards[shard];

	parts->process = process;
	parts->shard = shard;
	snprintf(parts->directory, sizeof(parts->directory), "%s/var/lib/sluice/shard-%u",
	    process->root, shard);
	snprintf(parts->journal_directory, sizeof(parts->journal_directory), "%s/journal",
	    parts->directory);
	parts->journal_config = (struct journal_config){
		.directory = parts->journal_directory,
		.shard = shard,
		.segment_size = (uint64_t)config->journal.segment_mib << 20,
		.segments_ready = config->journal.segments_ready,
		.segments_max = config->journal.segments_max,
		.depth = config->journal.depth,
		.close_size = CLOSE_SIZE,
		.allow_volatile = config->journal.allow_volatile,
	};
	parts->store_config = (struct store_config){
		.directory = parts->directory,
		.shard = shard,
		.ledger = {
			.shard = shard,
			.shard_count = config->shards,
			.accounts_max = config->capacity.accounts,
			.bets_max = config->capacity.bets,
			.markets_max = config->capacity.markets,
			.terminals_max = config->capacity.terminals,
			.objects_max = config->capacity.objects,
			.populate = config->memory.populate,
			.buckets = process->shared.buckets,
		},
		.log_rotate_size = (uint64_t)config->store.log_rotate_mib << LOG_SIZE_SHIFT,
		.log_keep_size = (uint64_t)config->store.log_keep_mib << LOG_SIZE_SHIFT,
		.checkpoint_interval_ms = config->store.checkpoint_interval_ms,
		.log_run_events = LOG_RUN,
	};
	parts->disk = (struct disk_limits){
		.quota = (uint64_t)config->store.disk_quota_mib << 20,
		.floor = (uint64_t)config->store.disk_free_mib << 20,
	};
}

static int apply_batch(void *context, const struct journal_batch *batch)
{
	return store_apply_batch(context, batch);
}

/*
 * Where the journal is read: the bets to come are known before they are applied, so their memory,
 * a fifth of the time of a replay, is there when the applying thread first touches it. For the
 * follower's copy and for the worker's, which is made of it.
 */
struct bets_ahead {
	struct {
		const struct ledger *ledger;
		uint64_t rows; /* populated */
	} copies[2];
	uint64_t loaded; /* bets of the checkpoint */
	uint64_t placed;
};

static void look_ahead(void *context, const struct journal_batch *batch)
{
	struct bets_ahead *ahead = context;
	const uint8_t *at = batch->events, *end = at + le32_get(batch->header.body_length);
	struct event_record record;

	while ((size_t)(end - at) >= sizeof(record)) {
		size_t length;

		memcpy(&record, at, sizeof(record));
		length = le16_get(record.length);
		if (length < sizeof(record) || length > (size_t)(end - at))
			return; /* no event: found when it is applied */
		ahead->placed += le16_get(record.type) == EVENT_PLACE_BET &&
		                 le16_get(record.code) == WIRE_CODE_OK;
		at += length;
	}
	for (unsigned i = 0; i < 2 && ahead->placed >= POPULATE_FROM; i++)
		while (ahead->copies[i].rows < ahead->loaded + ahead->placed) {
			ledger_bets_populate(ahead->copies[i].ledger, ahead->copies[i].rows);
			ahead->copies[i].rows += LEDGER_POPULATE_ROWS;
		}
}

static int table_is_full(const struct store *store)
{
	struct store_status status;

	store_status(store, &status);
	return status.table_full != 0;
}

/* What was found and done, for people and programs; `status` shows it as long as the process runs.
 */
static void recovery_report(struct switch_process *process, uint32_t shard,
    const struct store_report *store, uint64_t recovery_ns)
{
	const struct journal_report *report = &process->shards[shard].journal_report;
	struct shard_background *background = &process->background[shard];
	const struct log_number numbers[] = {
		{ "shard", shard },
		{ "checkpoint_lsn", store->checkpoint_lsn },
		{ "replayed_events", report->events },
		{ "replayed_batches", report->batches },
		{ "kept_lsn", report->cut_lsn },
		{ "floor_lsn", report->floor_lsn },
		{ "sealed_lsn", report->sealed_lsn },
		{ "cut_batches", report->batches_discarded },
		{ "cut_bytes", report->bytes_discarded },
		{ "cut_to_lsn", report->discarded_lsn },
		{ "segment", report->end.generation },
		{ "offset", report->end.offset },
		{ "boot_counter", report->boot_counter },
		{ "milliseconds", recovery_ns / 1000000 },
		{ "accounts", store->accounts },
		{ "bets", store->bets },
	};

	background->recovery = *report;
	background->recovery_checkpoint_lsn = store->checkpoint_lsn;
	background->recovery_ns = recovery_ns;
	log_numbers(LOG_LEVEL_INFO, "recovered", numbers, SLUICE_ARRAY_COUNT(numbers),
	    "shard %u: checkpoint at LSN %" PRIu64 ", replayed %" PRIu64 " events in %" PRIu64
	    " batches, kept up to LSN %" PRIu64 ", cut %" PRIu64
	    " batches never acknowledged (%" PRIu64 " bytes) in %" PRIu64 " ms; %" PRIu64
	    " accounts, %" PRIu64 " bets",
	    shard, store->checkpoint_lsn, report->events, report->batches, report->cut_lsn,
	    report->batches_discarded, report->bytes_discarded, recovery_ns / 1000000,
	    store->accounts, store->bets);
}

/* All is applied: the state is the journal's, and the log's end durable. */
static int shard_settle(struct switch_process *process, uint32_t shard)
{
	const struct shard_parts *parts = &process->shards[shard];
	const struct journal_report *report = &parts->journal_report;

	if (store_check_state(process->stores[shard], report->state_lsn, report->state_hash) != 0) {
		snprintf(process->message, sizeof(process->message),
		    "shard %u: the rows in %.512s/rows are damaged: their state at LSN %" PRIu64
		    " is not the one the journal's last batch says. Run sluice-db verify to see "
		    "what log and journal hold, then restore this shard (sluice-db backup restore, "
		    "or restore --from-postgres)",
		    shard, parts->directory, report->state_lsn);
		return EXIT_REFUSED;
	}
	if (store_commit(process->stores[shard]) != 0) {
		snprintf(process->message, sizeof(process->message),
		    "shard %u: the log could not be committed; check space and permissions in %s",
		    shard, parts->directory);
		return EXIT_REFUSED;
	}
	return 0;
}

/* What the archive has of this very journal was durable in it. */
static uint64_t journal_archived(
    const struct shard_parts *parts, const struct journal_identity *journal)
{
	if (parts->archive.directory[0] == '\0' || journal->incarnation == 0)
		return 0;
	return journal_archive_sealed_lsn(
	    parts->archive.directory, parts->shard, journal->incarnation);
}

/* Neither log nor seals nor batches here are as new as the archive. */
static int is_older_copy(
    const struct journal_report *report, uint64_t archived_lsn, uint64_t applied_lsn)
{
	return archived_lsn > applied_lsn && archived_lsn > report->sealed_lsn &&
	       report->cut_lsn != 0 && report->cut_lsn < archived_lsn &&
	       report->floor_lsn == archived_lsn;
}

/* What an older copy would write has the numbers and names of what was acknowledged since. */
static int archive_refused(struct switch_process *process, uint32_t shard)
{
	const struct shard_parts *parts = &process->shards[shard];

	snprintf(process->message, sizeof(process->message),
	    "shard %u: %.280s ends at LSN %" PRIu64
	    ", and the archive in %.280s has segments of it "
	    "up to LSN %" PRIu64 ": this is an older copy, or its end is damaged. Put its newest "
	    "state back, or restore a backup with that archive (sluice-db backup restore "
	    "--archive); to give up what it lacks, move the archive away",
	    shard, parts->directory, parts->journal_report.cut_lsn, parts->archive.directory,
	    parts->journal_report.floor_lsn);
	return EXIT_REFUSED;
}

static int journal_refused(struct switch_process *process, uint32_t shard, int error)
{
	snprintf(process->message, sizeof(process->message),
	    "shard %u: journal recovery refused: %s (%s)", shard,
	    process->shards[shard].journal_report.damage,
	    error == -ENOSPC && !table_is_full(process->stores[shard])
	        ? "the disk is full: make room on it"
	    : error == -ENOSPC
	        ? "more rows in use than there is room for; raise capacity.accounts, "
	          "bets, markets, terminals or objects in the configuration"
	        : strerror(-error));
	return EXIT_REFUSED;
}

static int shard_recover(struct switch_process *process, uint32_t shard)
{
	struct shard_parts *parts = &process->shards[shard];
	struct journal_report *report = &parts->journal_report;
	struct store_report store = { 0 };
	struct journal_identity journal = { 0 };
	struct bets_ahead ahead = { 0 };
	uint64_t from_lsn, archived_lsn, begun_ns = monotonic_ns();
	int error = switch_make_directory(process, parts->directory);

	if (error == 0)
		error = switch_archive_configure(process, shard);
	if (error != 0)
		return error;
	if (store_open(&process->stores[shard], &parts->store_config, &store) != 0 ||
	    store_load(process->stores[shard], &store) != 0 ||
	    (journal_identity_read(&parts->journal_config, &journal) == 0 &&
	        store_join_journal(
	            process->stores[shard], journal.incarnation, journal.base_lsn, &store) != 0)) {
		snprintf(process->message, sizeof(process->message), "shard %u: %s", shard,
		    store.message);
		return EXIT_REFUSED;
	}
	parts->ledger = ledger_create(&parts->store_config.ledger);
	if (parts->ledger == NULL) {
		snprintf(process->message, sizeof(process->message),
		    "shard %u: not enough memory; lower capacity in the configuration", shard);
		return EXIT_UNREACHABLE;
	}
	ahead.copies[0].ledger = store_ledger(process->stores[shard]);
	ahead.copies[0].rows = store.bets / LEDGER_POPULATE_ROWS * LEDGER_POPULATE_ROWS;
	ahead.copies[1].ledger = parts->ledger;
	ahead.loaded = store.bets;
	parts->journal_config.recovery_ahead = RECOVERY_AHEAD;
	parts->journal_config.recovery_look = look_ahead;
	parts->journal_config.recovery_look_context = &ahead;
	/* A journal that cannot be read is recovery's to report. */
	from_lsn =
	    1 + (store.checkpoint_lsn > journal.base_lsn ? store.checkpoint_lsn : journal.base_lsn);
	archived_lsn = journal_archived(parts, &journal);
	error = journal_recover(&parts->journal_config, from_lsn,
	    archived_lsn > store.applied_lsn ? archived_lsn : store.applied_lsn, apply_batch,
	    process->stores[shard], report);
	parts->journal_config.recovery_look = NULL;
	if (error != 0)
		return error == -EBADMSG && is_older_copy(report, archived_lsn, store.applied_lsn)
		           ? archive_refused(process, shard)
		           : journal_refused(process, shard, error);
	error = shard_settle(process, shard);
	if (error != 0)
		return error;
	recovery_report(process, shard, &store, monotonic_ns() - begun_ns);
	return 0;
}

/* The worker's own copy, its feed and keeper, and a handle on history. */
static int shard_create(struct switch_process *process, uint32_t shard)
{
	struct shard_parts *parts = &process->shards[shard];
	struct worker_config config = {
		.shard = shard,
		.terminals_max = process->config->capacity.terminals,
		.shared = &process->shared,
		.ledger = parts->ledger,
	};
	struct worker *worker;
	int error;

	snprintf(process->message, sizeof(process->message),
	    "shard %u: not enough memory; lower capacity in the configuration", shard);
	if (ledger_copy(parts->ledger, store_ledger(process->stores[shard])) != 0)
		return EXIT_UNREACHABLE;
	worker = worker_create(&config);
	if (worker == NULL)
		return EXIT_UNREACHABLE;
	parts->ledger = NULL;
	process->workers[shard] = worker;
	if (journal_feed_create(&parts->feed, FEED_BUFFERS, parts->journal_config.depth) != 0)
		return EXIT_UNREACHABLE;
	snprintf(process->message, sizeof(process->message),
	    "shard %u: no journal segment could be made in %.512s; check space and permissions",
	    shard, parts->journal_directory);
	if (journal_keeper_create(
	        &parts->keeper, &parts->journal_config, &parts->journal_report.end) != 0 ||
	    journal_reader_open(&parts->journal_reader, &parts->journal_config) != 0)
		return EXIT_UNREACHABLE;
	if (log_history_open(&process->histories[shard], parts->directory, shard) != 0) {
		snprintf(process->message, sizeof(process->message),
		    "shard %u: the log in %.512s cannot be read", shard, parts->directory);
		return EXIT_UNREACHABLE;
	}
	error = switch_seal_create(process, shard);
	if (error != 0)
		return error;
	worker->journal_config = &parts->journal_config;
	worker->journal_start = &parts->journal_report;
	worker->feed = parts->feed;
	worker->keeper = parts->keeper;
	/* Its own durable position for the reader, before the worker publishes it (W4). */
	atomic_store_explicit(&process->shared.durable_lsn[shard],
	    ledger_shard(worker->ledger)->lsn, memory_order_release);
	return 0;
}

/*
 * Never seen before, always growing: the durable boot counter above, chance below. Sessions are
 * installed under it, so a lost packet counter never meets an old key.
 */
static int boot_id_make(struct switch_process *process)
{
	uint64_t highest = 0;
	uint32_t chance;

	for (uint32_t shard = 0; shard < process->shared.shard_count; shard++)
		if (process->shards[shard].journal_report.boot_counter > highest)
			highest = process->shards[shard].journal_report.boot_counter;
	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance)) {
		snprintf(process->message, sizeof(process->message),
		    "the kernel gives no random numbers: %s", strerror(errno));
		return EXIT_UNREACHABLE;
	}
	process->shared.boot_id = highest << 32 | chance;
	return 0;
}

static int clock_check(struct switch_process *process)
{
	struct timespec now;
	uint64_t clock_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	for (uint32_t shard = 0; shard < process->shared.shard_count; shard++) {
		uint64_t last = ledger_shard(process->workers[shard]->ledger)->time_ns;

		if (process->accept_clock || last <= clock_ns + 1000000000ull)
			continue;
		snprintf(process->message, sizeof(process->message),
		    "shard %u: the last event is %" PRIu64 " s ahead of the clock; set the clock "
		    "right (deadlines and day limits depend on it), or start with --accept-clock",
		    shard, (uint64_t)((last - clock_ns) / 1000000000ull));
		return EXIT_REFUSED;
	}
	return 0;
}

/* A shard's directory put back from an older copy is whole by itself; what the others have seen of
 * it tells. Started on, what was acknowledged would be unknown, and every number used again. */
static int links_check(struct switch_process *process)
{
	const struct ledger *ledgers[LIMIT_SHARDS];
	struct ledger_behind behind;

	for (uint32_t shard = 0; shard < process->shared.shard_count; shard++)
		ledgers[shard] = process->workers[shard]->ledger;
	if (ledger_links_check(ledgers, process->shared.shard_count, &behind) == 0)
		return 0;
	snprintf(process->message, sizeof(process->message),
	    LEDGER_BEHIND_FORMAT
	    ". %.512s is of an older moment than the others: put its newest state back, or "
	    "restore all shards together (sluice-db backup restore, or restore --from-postgres)",
	    LEDGER_BEHIND_VALUES(&behind), process->shards[behind.shard].directory);
	return EXIT_REFUSED;
}

/* What the shards were before they were re-sharded: what was acknowledged then is answered there.
 */
static int past_open(struct switch_process *process, const char *data)
{
	const struct record_past *left = NULL;
	char what[256];

	for (uint32_t shard = 0; shard < process->shared.shard_count; shard++) {
		const struct record_past *own = store_past(process->stores[shard]);

		if (own != NULL && left != NULL && memcmp(own, left, sizeof(*own)) != 0) {
			snprintf(process->message, sizeof(process->message),
			    "shard %u in %.512s came out of another re-sharding than the shards "
			    "before it; restore all of them (sluice-db backup restore)",
			    shard, data);
			return EXIT_REFUSED;
		}
		if (own != NULL)
			left = own;
	}
	if (log_past_open(&process->past, data, left, what, sizeof(what)) == 0)
		return 0;
	snprintf(process->message, sizeof(process->message),
	    "the past of the re-sharded switch is not whole: %.512s/%s. Put it back, or restore "
	    "all (sluice-db backup restore)",
	    data, what);
	return EXIT_REFUSED;
}

int switch_recover(struct switch_process *process)
{
	uint64_t start_ns = monotonic_ns();
	char data[4400];
	int status;

	for (uint32_t shard = 0; shard < process->shared.shard_count; shard++)
		shard_configure(process, shard);
	status = switch_shards_present(process);
	if (status == 0)
		status = switch_tables_fit(process);
	if (status != 0)
		return status;
	for (uint32_t shard = 0; shard < process->shared.shard_count; shard++) {
		status = shard_recover(process, shard);
		if (status == 0)
			status = shard_create(process, shard);
		if (status != 0)
			return status;
	}
	status = links_check(process);
	if (status == 0)
		status = clock_check(process);
	if (status == 0)
		status = boot_id_make(process);
	if (status != 0)
		return status;
	status = worker_restore(process->workers, process->histories, process->shared.shard_count);
	if (status != 0) {
		snprintf(process->message, sizeof(process->message),
		    "request windows could not be rebuilt: %s; raise capacity.terminals, or run "
		    "sluice-db verify",
		    strerror(-status));
		return EXIT_REFUSED;
	}
	process->recovered_ns = monotonic_ns() - start_ns;
	snprintf(data, sizeof(data), "%s/var/lib/sluice", process->root);
	status = past_open(process, data);
	if (status != 0)
		return status;
	process->journal_interrupt_cpu = placement_interrupt_cpu(data);
	return switch_shards_made(process);
}
