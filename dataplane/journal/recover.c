/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery in this order: walk the chain and apply; scan everything behind its end for proof that
 * more was acknowledged (the floor A); refuse, or flush, zero, raise the boot counter. Nothing is
 * written before the decision, and doing it all again changes nothing.
 */
#include "dataplane/journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/journal/ahead.h"
#include "dataplane/journal/manifest.h"
#include "dataplane/journal/meta.h"
#include "wire/canary.h"

struct recovery {
	const struct journal_config *config;
	struct journal_report *report;
	int read_only;
	int directory_fd;
	struct journal_meta meta;
	struct journal_segment_list list;
	struct journal_reader *reader;
	uint64_t start;      /* generation the walk begins in */
	uint64_t scan_valid; /* intact headers behind the end, whatever their bodies */
	uint64_t scan_boot;  /* the highest boot counter of those */
	const char *why;     /* why the walk ended */
	uint8_t *zeros;
};

__attribute__((format(printf, 3, 4))) static int fail(
    struct recovery *recovery, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(recovery->report->damage, sizeof(recovery->report->damage), format, arguments);
	va_end(arguments);
	return error;
}

/* Damage at the end of the walk: file, offset, LSN, cause, and what proves the loss. */
static int fail_damage(struct recovery *recovery)
{
	struct journal_report *report = recovery->report;
	char name[JOURNAL_NAME_SIZE];

	report->damage_generation = report->end.generation;
	report->damage_offset = report->end.offset;
	report->damage_lsn = report->end.next_lsn;
	journal_segment_name(name, report->end.generation);
	return fail(recovery, -EBADMSG,
	    "%s offset %" PRIu64 " LSN %" PRIu64 ": %.48s; acknowledged up to LSN %" PRIu64
	    ", says %s",
	    name, report->end.offset, report->end.next_lsn, recovery->why, report->floor_lsn,
	    report->floor_source);
}

/*
 * A boot counter is in journal.meta, durable, before any batch has it: this journal.meta is an
 * older one, and what the batches of later starts acknowledged must not be cut.
 */
static int fail_meta(struct recovery *recovery)
{
	struct journal_report *report = recovery->report;

	report->damage_generation = report->end.generation;
	report->damage_offset = report->end.offset;
	report->damage_lsn = report->end.next_lsn;
	return fail(recovery, -EBADMSG,
	    "journal.meta is an older one: it knows %" PRIu64 " starts, batches behind LSN %" PRIu64
	    " are of start %" PRIu64 ": put the right one back",
	    recovery->meta.boot_counter, report->cut_lsn, recovery->scan_boot);
}

static void raise_floor(struct recovery *recovery, uint64_t lsn, const char *source)
{
	if (lsn <= recovery->report->floor_lsn)
		return;
	recovery->report->floor_lsn = lsn;
	recovery->report->floor_source = source;
}

/* A journal goes on under a higher incarnation only, and counts every start durably. */
static int is_older(const struct recovery *recovery)
{
	const struct journal_config *config = recovery->config;
	const struct journal_meta *meta = &recovery->meta;

	return meta->incarnation < config->known_incarnation ||
	       (meta->incarnation == config->known_incarnation &&
	           meta->boot_counter < config->known_boot_counter);
}

/* journal.meta, or a new identity for a directory that never held a journal. */
static int identify(struct recovery *recovery)
{
	struct journal_report *report = recovery->report;
	int result =
	    journal_meta_read(recovery->directory_fd, recovery->config->shard, &recovery->meta);

	switch (result) {
	case 0:
		break;
	case -ENOENT:
		if (recovery->list.count > 0)
			return fail(recovery, -EBADMSG,
			    "journal.meta is missing beside %zu segments: restore it",
			    recovery->list.count);
		if (report->floor_lsn > 0)
			return fail(recovery, -EBADMSG,
			    "no journal, but the store holds events up to LSN %" PRIu64
			    ": put the journal back, or restore with sluice-db",
			    report->floor_lsn);
		result = journal_meta_make(recovery->config->shard, 0, &recovery->meta);
		if (result != 0)
			return fail(recovery, result, "no random numbers for the identity");
		break;
	case -EPROTO:
		return fail(recovery, result,
		    "journal.meta was written by a newer version: start that version");
	case -EBADMSG:
		return fail(recovery, result,
		    "journal.meta is damaged or of another shard than %" PRIu32 ": restore it",
		    recovery->config->shard);
	default:
		return fail(recovery, result, "journal.meta: %s", strerror(-result));
	}
	if (!SLUICE_CANARY(BELIEVE_META) && is_older(recovery))
		return fail(recovery, -EBADMSG,
		    "journal.meta is of an older copy: it knows %" PRIu64
		    " starts of journal %016" PRIx64 ", and there were %" PRIu64 " of %016" PRIx64
		    ", says shards.made beside it: put the newest state of this shard back, or "
		    "restore the switch (sluice-db backup restore); to go on with this one, "
		    "remove shards.made",
		    recovery->meta.boot_counter, recovery->meta.incarnation,
		    recovery->config->known_boot_counter, recovery->config->known_incarnation);
	report->incarnation = recovery->meta.incarnation;
	report->base_lsn = recovery->meta.base_lsn;
	if (!SLUICE_CANARY(FORGET_FLOOR))
		raise_floor(recovery, recovery->meta.kept_lsn, JOURNAL_META_NAME);
	raise_floor(recovery, recovery->meta.base_lsn, JOURNAL_META_NAME);
	return 0;
}

/* What is sealed was durable. Without a manifest nothing was sealed yet: the sealer makes one. */
static int seals(struct recovery *recovery)
{
	const struct journal_segment_list *list = &recovery->list;
	struct journal_report *report = recovery->report;
	struct journal_manifest manifest;
	int result = journal_manifest_read(recovery->directory_fd, recovery->config->shard,
	    recovery->meta.incarnation, &manifest, report->damage, sizeof(report->damage));

	if (result == -ENOENT) {
		report->damage[0] = '\0';
		return 0;
	}
	if (result != 0)
		return result;
	report->sealed_generation = manifest.next_generation - 1;
	report->sealed_lsn = manifest.last_lsn;
	raise_floor(recovery, manifest.last_lsn, JOURNAL_MANIFEST_NAME);
	if (list->count == 0 || list->generations[0] <= manifest.next_generation)
		return 0;
	report->damage_generation = manifest.next_generation;
	return fail(recovery, -EBADMSG,
	    JOURNAL_MANIFEST_NAME " ends at segment %" PRIu64 ", the oldest one here is %" PRIu64
	                          ": put the right one back, or move it away",
	    manifest.next_generation - 1, list->generations[0]);
}

/* A file gone between the oldest and the first one needed is damage too: somebody removed it. */
static int check_gapless(struct recovery *recovery)
{
	const struct journal_segment_list *list = &recovery->list;
	struct journal_report *report = recovery->report;

	for (size_t i = 1; i < list->count && list->generations[i] <= recovery->start; i++) {
		if (list->generations[i] == list->generations[i - 1] + 1)
			continue;
		report->damage_generation = list->generations[i - 1] + 1;
		return fail(recovery, -EBADMSG,
		    "segment files missing: generations %" PRIu64 " to %" PRIu64,
		    list->generations[i - 1] + 1, list->generations[i] - 1);
	}
	return 0;
}

/* The newest segment that begins below from_lsn, so that what precedes from_lsn is known too. */
static int choose_start(struct recovery *recovery)
{
	const struct journal_segment_list *list = &recovery->list;
	struct journal_position position = { .generation = 1,
		.next_lsn = recovery->meta.base_lsn + 1 };
	uint64_t first;

	recovery->start = list->count > 0 ? list->generations[0] : 1;
	for (size_t i = list->count; i-- > 0;) {
		int result =
		    journal_reader_first_lsn(recovery->reader, list->generations[i], &first);

		if (result != 0 && result != -ENOENT)
			return fail(recovery, result, "generation %" PRIu64 ": %s",
			    list->generations[i], strerror(-result));
		if (result == 0 && first < recovery->report->from_lsn) {
			recovery->start = list->generations[i];
			break;
		}
	}
	if (recovery->start != 1)
		position = (struct journal_position){ .generation = recovery->start };
	journal_reader_seek_position(recovery->reader, &position);
	return check_gapless(recovery);
}

/* What is done with a batch of the chain. 0; else it ends the walk and is its result. */
typedef int give_batch(void *context, const struct journal_batch *batch);

struct application {
	struct recovery *recovery;
	journal_apply_batch *apply;
	void *context;
};

static int apply_failed(struct recovery *recovery, const struct journal_batch *batch, int result)
{
	struct journal_report *report = recovery->report;

	report->damage_generation = batch->generation;
	report->damage_offset = batch->offset;
	report->damage_lsn = le64_get(batch->header.first_lsn);
	return fail(recovery, result < 0 ? result : -ECANCELED,
	    "applying the batch of LSN %" PRIu64 " failed", report->damage_lsn);
}

static int apply_batch(struct application *application, const struct journal_batch *batch)
{
	struct journal_report *report = application->recovery->report;

	report->batches++;
	report->events += le32_get(batch->header.event_count);
	return application->apply(application->context, batch);
}

static int give_apply(void *context, const struct journal_batch *batch)
{
	struct application *application = context;
	int result = apply_batch(application, batch);

	return result == 0 ? 0 : apply_failed(application->recovery, batch, result);
}

static int walk_end(struct recovery *recovery, int result)
{
	struct journal_report *report = recovery->report;
	struct journal_reader *reader = recovery->reader;

	report->end = reader->at;
	report->cut_lsn = report->end.next_lsn == 0 ? 0 : report->end.next_lsn - 1;
	if (result == -EPROTO)
		return fail(recovery, result,
		    "LSN %" PRIu64 " was written by a newer version: start that version",
		    report->end.next_lsn);
	if (result != 0 && result != -EBADMSG)
		return fail(recovery, result, "generation %" PRIu64 " offset %" PRIu64 ": %s",
		    reader->at.generation, reader->at.offset, strerror(-result));
	return 0;
}

/* Follows the chain to its end, giving what is due. Sets report->end. */
static int walk(struct recovery *recovery, give_batch *give, void *context)
{
	const struct journal_config *config = recovery->config;
	struct journal_report *report = recovery->report;
	struct journal_batch batch;
	uint64_t generation = 0;
	int result;

	while ((result = journal_reader_step(recovery->reader, &batch, 1, &recovery->why)) == 1) {
		uint64_t first = le64_get(batch.header.first_lsn);

		if (generation == 0 && first > report->from_lsn) {
			report->damage_generation = batch.generation;
			report->damage_lsn = report->from_lsn;
			return fail(recovery, -EBADMSG,
			    "events from LSN %" PRIu64
			    " are missing: the journal begins at %" PRIu64
			    "; the rows are gone or of an older moment: put their newest state "
			    "back, make them anew (sluice-db repair --rebuild-rows), or restore "
			    "this shard (sluice-db backup restore)",
			    report->from_lsn, first);
		}
		report->segments += batch.generation != generation;
		generation = batch.generation;
		report->time_ns = le64_get(batch.header.time_ns);
		report->state_lsn = journal_batch_last_lsn(&batch.header);
		report->state_hash = le64_get(batch.header.state_hash);
		if (journal_batch_last_lsn(&batch.header) < report->from_lsn)
			continue;
		if (config->recovery_look != NULL)
			config->recovery_look(config->recovery_look_context, &batch);
		result = give(context, &batch);
		if (result != 0)
			return result;
	}
	return walk_end(recovery, result);
}

/* One block behind the end: a header that is intact proves what was durable when it was made. */
static int scan_block(struct recovery *recovery, const struct journal_expect *expect, int fd)
{
	struct journal_batch_header header;
	enum journal_batch_kind kind;
	const uint8_t *bytes;
	const char *why;
	int error = 0;

	bytes = journal_reader_load(
	    recovery->reader, expect->offset, LIMIT_JOURNAL_BLOCK_SIZE, 0, &error);
	if (bytes == NULL)
		return error;
	kind = journal_header_check(bytes, expect, &header, &why);
	if (kind == JOURNAL_BATCH_NEWER)
		return -EPROTO;
	if (kind != JOURNAL_BATCH_VALID)
		return 0;
	if (fd >= 0)
		return journal_file_zero(
		    fd, recovery->zeros, expect->offset, LIMIT_JOURNAL_BLOCK_SIZE, 1);
	recovery->scan_valid++;
	if (le64_get(header.boot_counter) > recovery->scan_boot)
		recovery->scan_boot = le64_get(header.boot_counter);
	recovery->report->bytes_discarded += journal_batch_padded(le32_get(header.body_length));
	if (journal_batch_last_lsn(&header) > recovery->report->discarded_lsn)
		recovery->report->discarded_lsn = journal_batch_last_lsn(&header);
	if (!SLUICE_CANARY(CLEAN_END))
		raise_floor(recovery, le64_get(header.durable_through), "a later batch");
	bytes = journal_reader_load(recovery->reader, expect->offset,
	    (size_t)journal_batch_padded(le32_get(header.body_length)), 0, &error);
	if (bytes != NULL && journal_body_check(&header, bytes + JOURNAL_HEADER_SIZE))
		recovery->report->batches_discarded++;
	return error;
}

/* Every block behind the end, in every segment; `erase`: zeroes the headers found. */
static int scan(struct recovery *recovery, int erase)
{
	const struct journal_position *end = &recovery->report->end;
	int result = 0;

	for (size_t i = 0; i < recovery->list.count && result == 0; i++) {
		struct journal_expect expect = { .shard = recovery->config->shard,
			.incarnation = recovery->meta.incarnation,
			.generation = recovery->list.generations[i],
			.boot_counter_max = SLUICE_CANARY(BELIEVE_META)
			                        ? recovery->meta.boot_counter
			                        : UINT64_MAX };
		uint64_t size;
		int fd = -1;

		if (expect.generation < end->generation)
			continue;
		result = journal_reader_use(recovery->reader, expect.generation);
		if (result == 0 && erase)
			result = journal_segment_open(recovery->directory_fd, expect.generation,
			    O_RDWR, recovery->config->allow_volatile, &fd, &size);
		if (result != 0)
			break;
		expect.segment_size = recovery->reader->size;
		if (expect.generation == end->generation)
			expect.offset = end->offset;
		for (; expect.offset < expect.segment_size && result == 0;
		     expect.offset += LIMIT_JOURNAL_BLOCK_SIZE)
			result = scan_block(recovery, &expect, fd);
		if (fd >= 0)
			close(fd);
	}
	if (result == -EPROTO)
		return fail(recovery, result,
		    "batches behind LSN %" PRIu64 " are of a newer version: start that version",
		    recovery->report->cut_lsn);
	if (result != 0)
		return fail(recovery, result, "reading behind LSN %" PRIu64 ": %s",
		    recovery->report->cut_lsn, strerror(-result));
	return 0;
}

/* Batches read may still sit in the device's cache: made durable before anyone relies on them. */
static int flush_kept(struct recovery *recovery)
{
	const struct journal_position *end = &recovery->report->end;

	for (size_t i = 0; i < recovery->list.count; i++) {
		uint64_t generation = recovery->list.generations[i], size;
		int fd, result;

		if (generation < recovery->start || generation > end->generation)
			continue;
		result = journal_segment_open(recovery->directory_fd, generation, O_RDWR,
		    recovery->config->allow_volatile, &fd, &size);
		if (result == 0) {
			result = fdatasync(fd) == 0 ? 0 : -errno;
			close(fd);
		}
		if (result != 0)
			return fail(recovery, result, "flushing generation %" PRIu64 ": %s",
			    generation, strerror(-result));
	}
	return 0;
}

/* Zeroes as far behind the cut as writes in flight can have reached, over the segment's end too. */
static int zero_behind(struct recovery *recovery)
{
	const struct journal_position *end = &recovery->report->end;
	uint64_t offset = end->offset, generation = end->generation;
	int go_on = 1, result = 0;

	for (size_t i = 0; i < recovery->list.count && go_on && result == 0; i++) {
		uint64_t size, length = JOURNAL_ZERO_BEHIND;
		int fd;

		if (recovery->list.generations[i] != generation)
			continue;
		result = journal_segment_open(recovery->directory_fd, generation, O_RDWR,
		    recovery->config->allow_volatile, &fd, &size);
		if (result != 0)
			break;
		/* A batch that did not fit began the next segment. */
		go_on = size < offset + length + LIMIT_JOURNAL_BATCH_SIZE_MAX &&
		        generation == end->generation;
		if (offset < size)
			result = journal_file_zero(fd, recovery->zeros, offset,
			    size - offset < length ? size - offset : length, 1);
		close(fd);
		generation++;
		offset = 0;
	}
	if (result != 0)
		return fail(recovery, result, "zeroing behind LSN %" PRIu64 ": %s",
		    recovery->report->cut_lsn, strerror(-result));
	return 0;
}

static int cut(struct recovery *recovery)
{
	struct journal_report *report = recovery->report;
	int result = SLUICE_CANARY(SKIP_FLUSH) ? 0 : flush_kept(recovery);

	if (result == 0)
		result = zero_behind(recovery);
	/* What intact headers lie beyond that (never in normal operation) loses its header. */
	recovery->reader->window_length = 0;
	if (result == 0 && recovery->scan_valid > 0 && !SLUICE_CANARY(LEAVE_BEHIND))
		result = scan(recovery, 1);
	if (result != 0)
		return result;
	recovery->meta.boot_counter++;
	recovery->meta.kept_lsn = report->cut_lsn;
	result = journal_meta_write(recovery->directory_fd, &recovery->meta);
	if (result != 0)
		return fail(recovery, result, "writing journal.meta: %s", strerror(-result));
	report->boot_counter = recovery->meta.boot_counter;
	return 0;
}

/* ---- The walk and the scan, beside the applying or in turn with it ---- */

static int give_ahead(void *context, const struct journal_batch *batch)
{
	return journal_ahead_put(context, batch);
}

/* In the thread. What it writes of the report the applying side leaves alone until it has ended:
 * everything but the batches and events counted there. */
static int read_ahead(void *context, struct journal_ahead *ahead)
{
	struct recovery *recovery = context;
	int result = walk(recovery, give_ahead, ahead);

	return result == 0 ? scan(recovery, 0) : result;
}

static int apply_ahead(struct application *application, struct journal_ahead *ahead)
{
	struct journal_batch batch;
	int result = 0, read;

	while (result == 0 && journal_ahead_next(ahead, &batch) == 1)
		result = apply_batch(application, &batch);
	read = journal_ahead_end(ahead);
	return result != 0 ? apply_failed(application->recovery, &batch, result) : read;
}

static int read_and_apply(struct recovery *recovery, journal_apply_batch *apply, void *context)
{
	struct application application = { recovery, apply, context };
	struct journal_ahead *ahead;
	int result;

	/* Without memory or a thread for it: in turn. */
	if (recovery->config->recovery_ahead != 0 && !recovery->read_only &&
	    journal_ahead_start(&ahead, recovery->config->recovery_ahead, read_ahead, recovery) ==
	        0)
		return apply_ahead(&application, ahead);
	result = walk(recovery, give_apply, &application);
	return result == 0 ? scan(recovery, 0) : result;
}

static int recover(struct recovery *recovery, journal_apply_batch *apply, void *context)
{
	struct journal_report *report = recovery->report;
	int result = journal_segment_list(recovery->directory_fd, &recovery->list);

	if (result != 0)
		return fail(recovery, result, "listing the directory: %s", strerror(-result));
	result = identify(recovery);
	if (result == 0)
		result = seals(recovery);
	if (result != 0)
		return result;
	result = journal_reader_open_at(&recovery->reader, recovery->directory_fd,
	    recovery->config->shard, recovery->meta.incarnation, recovery->config->allow_volatile);
	recovery->zeros = journal_aligned_alloc(JOURNAL_ZEROS_SIZE);
	if (result != 0 || recovery->zeros == NULL)
		return fail(recovery, result != 0 ? result : -ENOMEM, "out of memory");
	recovery->reader->boot_counter_max = recovery->meta.boot_counter;
	result = choose_start(recovery);
	if (result == 0)
		result = read_and_apply(recovery, apply, context);
	if (result != 0)
		return result;
	if (recovery->scan_boot > recovery->meta.boot_counter)
		return fail_meta(recovery);
	/* The first batch of a segment was durable before an older one was recycled. */
	if (report->cut_lsn < report->floor_lsn || report->end.next_lsn == 0)
		return fail_damage(recovery);
	return recovery->read_only ? 0 : cut(recovery);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int run(const struct journal_config *config, int read_only, uint64_t from_lsn,
    uint64_t floor_lsn, journal_apply_batch *apply, void *context, struct journal_report *report)
{
	struct recovery recovery = {
		.config = config, .report = report, .read_only = read_only, .directory_fd = -1
	};
	uint64_t begun_ns = monotonic_ns();
	int result;

	*report = (struct journal_report){ .from_lsn = from_lsn != 0 ? from_lsn : 1,
		.floor_source = "the checkpoint" };
	raise_floor(&recovery, report->from_lsn - 1, "the checkpoint");
	if (!SLUICE_CANARY(FORGET_FLOOR))
		raise_floor(&recovery, floor_lsn, "the store's log or the archive");
	if (journal_config_check(config) != 0)
		return fail(&recovery, -EINVAL, "journal settings out of range");
	result = journal_directory_open(
	    config, !read_only, &recovery.directory_fd, report->damage, sizeof(report->damage));
	if (result == 0)
		result = recover(&recovery, apply, context);
	journal_reader_close(recovery.reader);
	journal_segment_list_free(&recovery.list);
	free(recovery.zeros);
	if (recovery.directory_fd >= 0)
		close(recovery.directory_fd);
	report->nanoseconds = monotonic_ns() - begun_ns;
	return result;
}

int journal_recover(const struct journal_config *config, uint64_t from_lsn, uint64_t floor_lsn,
    journal_apply_batch *apply, void *context, struct journal_report *report)
{
	return run(config, 0, from_lsn, floor_lsn, apply, context, report);
}

int journal_inspect(const struct journal_config *config, uint64_t from_lsn, uint64_t floor_lsn,
    journal_apply_batch *apply, void *context, struct journal_report *report)
{
	return run(config, 1, from_lsn, floor_lsn, apply, context, report);
}
