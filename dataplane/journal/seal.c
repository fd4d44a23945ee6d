/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be done next, and what it comes to. Older segments first: one that is sealed and not
 * archived before one that is not sealed, as both must be done before it is released.
 */
#include "dataplane/journal/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/journal/meta.h"
#include "dataplane/journal/seal_internal.h"

#define RETRY_NS  1000000000ull
#define RETAIN_NS 3600000000000ull
#define DAY_NS    86400000000000ull

uint64_t journal_sealer_released(const struct journal_sealer *sealer)
{
	/* Acquire: pairs with the release in publish. */
	return atomic_load_explicit(&sealer->released_generation, memory_order_acquire);
}

static int archiving(const struct journal_sealer *sealer)
{
	return sealer->archive.directory[0] != '\0';
}

static uint64_t finished_generation(const struct journal_sealer *sealer)
{
	/* Acquire: pairs with the release in keep_one of the keeper. */
	return atomic_load_explicit(&sealer->keeper->finished_generation, memory_order_acquire);
}

static void publish(struct journal_sealer *sealer)
{
	uint64_t sealed = sealer->manifest.next_generation - 1, released = sealed;
	uint64_t finished = finished_generation(sealer);

	if (archiving(sealer) && sealer->archived_generation < released)
		released = sealer->archived_generation;
	JOURNAL_FIGURE_SET(sealer, finished_segment, finished);
	JOURNAL_FIGURE_SET(sealer, sealed_segment, sealed);
	JOURNAL_FIGURE_SET(sealer, sealed_lsn, sealer->manifest.last_lsn);
	JOURNAL_FIGURE_SET(sealer, archived_segment, sealer->archived_generation);
	JOURNAL_FIGURE_SET(sealer, waiting_segments, finished > released ? finished - released : 0);
	/* Release: the manifest's line and the archive's file are durable before. */
	atomic_store_explicit(&sealer->released_generation, released, memory_order_release);
}

static void chain_set(struct journal_sealer *sealer)
{
	pthread_mutex_lock(&sealer->text_lock);
	memcpy(sealer->chain, sealer->manifest.chain, sizeof(sealer->chain));
	pthread_mutex_unlock(&sealer->text_lock);
}

/* The seal of a segment, out of the manifest. 0, -ENOENT, -errno. */
static int seal_find(struct journal_sealer *sealer, uint64_t generation, struct journal_seal *seal)
{
	int result = journal_manifest_walk_open(
	    sealer->walk, sealer->directory_fd, JOURNAL_MANIFEST_NAME, NULL, 0);

	if (result != 0)
		return result;
	do {
		result = journal_manifest_walk_next(sealer->walk, seal, NULL, 0);
	} while (result == 1 && seal->generation != generation);
	journal_manifest_walk_close(sealer->walk);
	return result == 1 ? 0 : result == 0 ? -ENOENT : result;
}

/* A whole segment was read: its line, its file. */
static int complete(struct journal_sealer *sealer)
{
	struct journal_pass *pass = &sealer->pass;
	struct journal_seal *seal = &pass->seal, sealed;
	int result;

	if (pass->to_seal) {
		seal->sealed_ns = sealer->now_ns;
		if (sealer->manifest.last_lsn != 0 &&
		    seal->first_lsn != sealer->manifest.last_lsn + 1)
			return -EBADMSG;
		result = journal_manifest_append(sealer->directory_fd, &sealer->manifest, seal);
		if (result != 0)
			return result;
		JOURNAL_FIGURE_ADD(sealer, seals, 1);
		JOURNAL_FIGURE_ADD(sealer, sealed_bytes, seal->length);
		JOURNAL_FIGURE_ADD(sealer, seals_damaged, seal->damaged);
		sealer->seal_failed_ns = 0;
		chain_set(sealer);
		publish(sealer);
	}
	if (!pass->to_archive)
		return 0;
	sealed = *seal;
	result = pass->to_seal ? 0 : seal_find(sealer, seal->generation, &sealed);
	/* Sealed before: it must still be what it was. */
	if (result == 0 &&
	    (sealed.length != seal->length || strcmp(sealed.sha256, seal->sha256) != 0))
		result = -EBADMSG;
	if (result == 0)
		result = journal_archive_finish(
		    &sealer->writer, sealer->config.shard, sealer->reader->incarnation, &sealed);
	if (result == 0)
		result = journal_archive_manifest_copy(sealer->archive.directory,
		    sealer->directory_fd, sealer->reader->incarnation, sealer->manifest.size);
	if (result != 0) {
		journal_pass_archive_failed(sealer, result);
		return 0;
	}
	JOURNAL_FIGURE_ADD(sealer, archive_bytes_in, sealed.length);
	JOURNAL_FIGURE_ADD(sealer, archive_bytes_out, sealer->writer.written);
	JOURNAL_FIGURE_ADD(sealer, archive_bytes, sealer->writer.written);
	JOURNAL_FIGURE_ADD(sealer, archive_files, 1);
	JOURNAL_FIGURE_SET(sealer, archived_lsn, sealed.last_lsn);
	JOURNAL_FIGURE_SET(sealer, archive_error, 0);
	sealer->archived_generation = sealed.generation;
	sealer->archive_failed_ns = 0;
	publish(sealer);
	return 0;
}

/* Clocks jump: time is over when it has gone by or the clock was set back. */
static int waiting(uint64_t since_ns, uint64_t now_ns, uint64_t pause_ns)
{
	return since_ns != 0 && now_ns - since_ns < pause_ns;
}

/* The pass is over without result. */
static int failed(struct journal_sealer *sealer, int error)
{
	if (sealer->pass.to_seal) {
		JOURNAL_FIGURE_ADD(sealer, seal_errors, 1);
		sealer->seal_failed_ns = sealer->now_ns;
	} else if (sealer->pass.to_archive) {
		journal_pass_archive_failed(sealer, error);
	}
	journal_pass_end(sealer);
	return error;
}

static int pass_work(struct journal_sealer *sealer)
{
	int result = journal_pass_step(sealer);

	if (result == 0)
		result = complete(sealer);
	else if (result == 1 && (sealer->pass.to_seal || sealer->pass.to_archive))
		return 1;
	if (result < 0)
		return failed(sealer, result);
	/* Done; or the archive failed, and nothing else is wanted of it. */
	journal_pass_end(sealer);
	return 1;
}

/* 1 began, 0 nothing, -errno. */
static int next_pass(struct journal_sealer *sealer)
{
	uint64_t next = sealer->manifest.next_generation, now_ns = sealer->now_ns;
	int archive_now =
	    archiving(sealer) && !waiting(sealer->archive_failed_ns, now_ns, RETRY_NS);
	int result;

	if (archive_now && sealer->archived_generation + 1 < next)
		result = journal_pass_begin(sealer, sealer->archived_generation + 1, 0, 1);
	else if (next <= finished_generation(sealer) &&
	         !waiting(sealer->seal_failed_ns, now_ns, RETRY_NS))
		result = journal_pass_begin(
		    sealer, next, 1, archive_now && sealer->archived_generation + 1 == next);
	else
		return 0;
	return result != 0 ? failed(sealer, result) : 1;
}

/*
 * Age counts from the earlier of the clock and the newest event sealed: a clock that jumps years
 * ahead on an idle switch takes nothing away. Under load new events carry its time: so of the time
 * between two segments no more counts than half of what is kept, and a jump, however far, leaves
 * the newer half of the archive.
 */
static void retain(struct journal_sealer *sealer)
{
	uint64_t now_ns = sealer->now_ns;
	uint64_t age_ns = sealer->archive.keep_days * DAY_NS, newest_ns = 0;
	struct journal_archive_keep keep = {
		.bytes_max = sealer->archive.keep_bytes,
		.incarnation = sealer->reader->incarnation,
		.announce = journal_seal_archive_announce,
		.context = sealer,
	};
	struct journal_seal seal;
	int result;
	/* Acquire: pairs with the release in oldest_publish of the keeper. */
	uint64_t oldest =
	    atomic_load_explicit(&sealer->keeper->oldest_generation, memory_order_acquire);

	sealer->retained_ns = now_ns;
	if (seal_find(sealer, sealer->manifest.next_generation - 1, &seal) == 0)
		newest_ns = seal.time_ns < now_ns ? seal.time_ns : now_ns;
	if (age_ns != 0 && newest_ns > age_ns)
		keep.before_ns = newest_ns - age_ns;
	keep.newest_ns = newest_ns;
	keep.step_max_ns = age_ns / 2;
	/* What is here and archived stays there too: it is known by its file. */
	keep.generation = oldest != 0 ? oldest : sealer->manifest.next_generation;
	result = journal_archive_retain(sealer->archive.directory, &keep);
	if (result != 0) {
		JOURNAL_FIGURE_ADD(sealer, archive_errors, 1);
		JOURNAL_FIGURE_SET(sealer, archive_error, (uint64_t)-result);
		return;
	}
	JOURNAL_FIGURE_SET(sealer, archive_files, keep.files);
	JOURNAL_FIGURE_SET(sealer, archive_bytes, keep.bytes);
	JOURNAL_FIGURE_ADD(sealer, archive_removed, keep.removed);
}

static int verify_work(struct journal_sealer *sealer)
{
	struct journal_check_report *report = &sealer->check_report;
	int result = 0;

	if (sealer->check == NULL) {
		atomic_store_explicit(&sealer->verify_wanted, 0, memory_order_relaxed);
		result = journal_check_open(
		    &sealer->check, &sealer->config, sealer->archive.directory, 0, report);
		JOURNAL_FIGURE_SET(sealer, verify_running, result == 0);
		if (result == 0)
			return 1;
		report->bad++;
	} else if (journal_check_step(sealer->check, report) == 1) {
		return 1;
	}
	journal_check_close(sealer->check);
	sealer->check = NULL;
	pthread_mutex_lock(&sealer->text_lock);
	memcpy(sealer->verify_text, report->what, sizeof(sealer->verify_text));
	pthread_mutex_unlock(&sealer->text_lock);
	JOURNAL_FIGURE_SET(sealer, verify_seals, report->seals);
	JOURNAL_FIGURE_SET(sealer, verify_segments, report->segments);
	JOURNAL_FIGURE_SET(sealer, verify_archives, report->archives);
	JOURNAL_FIGURE_SET(sealer, verify_bad, report->bad);
	JOURNAL_FIGURE_SET(sealer, verify_running, 0);
	JOURNAL_FIGURE_ADD(sealer, verify_runs, 1);
	return 1;
}

int journal_sealer_work(struct journal_sealer *sealer, uint64_t now_ns)
{
	int result;

	sealer->now_ns = now_ns;
	if (atomic_exchange_explicit(&sealer->retry_wanted, 0, memory_order_relaxed) != 0)
		sealer->seal_failed_ns = sealer->archive_failed_ns = sealer->retained_ns = 0;
	if (sealer->pass.phase != JOURNAL_PASS_NONE)
		return pass_work(sealer);
	publish(sealer);
	result = next_pass(sealer);
	if (result != 0)
		return result;
	if (archiving(sealer) && !waiting(sealer->retained_ns, now_ns, RETAIN_NS)) {
		retain(sealer);
		return 1;
	}
	if (sealer->check != NULL ||
	    atomic_load_explicit(&sealer->verify_wanted, memory_order_relaxed) != 0)
		return verify_work(sealer);
	return 0;
}

unsigned journal_sealer_backlog(const struct journal_sealer *sealer)
{
	uint64_t finished = finished_generation(sealer), released = journal_sealer_released(sealer);

	return finished > released ? (unsigned)(finished - released) : 0;
}

void journal_sealer_retry(struct journal_sealer *sealer)
{
	atomic_store_explicit(&sealer->retry_wanted, 1, memory_order_relaxed);
}

void journal_sealer_verify(struct journal_sealer *sealer)
{
	atomic_store_explicit(&sealer->verify_wanted, 1, memory_order_relaxed);
}

void journal_sealer_status(const struct journal_sealer *sealer, struct journal_sealer_status *out)
{
#define TAKE(name) out->name = JOURNAL_FIGURE_GET(sealer, name);
	JOURNAL_SEALER_FIGURES(TAKE)
#undef TAKE
}

void journal_sealer_verify_text(struct journal_sealer *sealer, char *text, size_t size)
{
	pthread_mutex_lock(&sealer->text_lock);
	snprintf(text, size, "%s", sealer->verify_text);
	pthread_mutex_unlock(&sealer->text_lock);
}

void journal_sealer_chain(struct journal_sealer *sealer, char text[JOURNAL_SHA256_TEXT])
{
	pthread_mutex_lock(&sealer->text_lock);
	memcpy(text, sealer->chain, JOURNAL_SHA256_TEXT);
	pthread_mutex_unlock(&sealer->text_lock);
}

/* ---- Life ---- */

int journal_manifest_begin(
    int directory_fd, uint32_t shard, uint64_t incarnation, uint64_t first, const char *follows)
{
	struct journal_manifest_header header = {
		.shard = shard, .incarnation = incarnation, .first_generation = first
	};
	struct journal_manifest manifest;

	memset(header.follows, '0', JOURNAL_SHA256_TEXT - 1);
	if (follows != NULL)
		snprintf(header.follows, sizeof(header.follows), "%s", follows);
	return journal_manifest_create(directory_fd, &header, &manifest);
}

/*
 * None is here, and the archive has this journal's: a new one would never fit the copy, so nothing
 * more would be archived, and no segment recycled, until requests are BUSY.
 */
static int manifest_elsewhere(const struct journal_sealer *sealer, const struct journal_meta *meta,
    char *message, size_t size)
{
	char name[JOURNAL_ARCHIVE_NAME_SIZE];

	if (!archiving(sealer) || journal_archive_sealed_lsn(sealer->archive.directory, meta->shard,
	                              meta->incarnation) == 0)
		return 0;
	journal_archive_manifest_name(name, meta->incarnation);
	snprintf(message, size,
	    "journal.manifest is missing, and the archive has its copy: copy %s/%s to "
	    "%s/" JOURNAL_MANIFEST_NAME
	    ", or move the copy away, too, and sealing begins with the oldest segment here",
	    sealer->archive.directory, name, sealer->config.directory);
	return -EBADMSG;
}

/* The manifest as it is, or a new one. */
static int manifest_open(struct journal_sealer *sealer, const struct journal_meta *meta,
    uint64_t oldest, char *message, size_t message_size)
{
	int result = journal_manifest_read(sealer->directory_fd, meta->shard, meta->incarnation,
	    &sealer->manifest, message, message_size);

	if (result == -ENOENT && manifest_elsewhere(sealer, meta, message, message_size) != 0)
		return -EBADMSG;
	if (result == -ENOENT) {
		result = journal_manifest_begin(
		    sealer->directory_fd, meta->shard, meta->incarnation, oldest, NULL);
		if (result == 0)
			result = journal_manifest_read(sealer->directory_fd, meta->shard,
			    meta->incarnation, &sealer->manifest, message, message_size);
		if (result == 0)
			snprintf(message, message_size, "%s",
			    oldest == 1 ? ""
			                : "there was no journal.manifest: sealing begins with the "
			                  "oldest segment here; what was before is not proven");
	} else if (result == 0) {
		message[0] = '\0';
	}
	if (result == 0 && oldest > sealer->manifest.next_generation) {
		snprintf(message, message_size,
		    "journal.manifest ends at segment %" PRIu64
		    ", the oldest segment here is %" PRIu64
		    ": seals are missing; put the right one back (the archive has a copy), or move "
		    "it away: sealing begins anew",
		    sealer->manifest.next_generation - 1, oldest);
		result = -EBADMSG;
	}
	return result;
}

static int parts_make(struct journal_sealer *sealer)
{
	sealer->config.directory = strdup(sealer->config.directory);
	sealer->walk = calloc(1, sizeof(*sealer->walk));
	sealer->digest = EVP_MD_CTX_new();
	sealer->raw = journal_aligned_alloc(JOURNAL_SEAL_SLICE);
	if (sealer->config.directory == NULL || sealer->walk == NULL || sealer->digest == NULL ||
	    sealer->raw == NULL)
		return -ENOMEM;
	sealer->walk->fd = -1;
	sealer->directory_fd = open(sealer->config.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sealer->directory_fd < 0 ? -errno : 0;
}

int journal_sealer_create(struct journal_sealer **out, const struct journal_config *config,
    const struct journal_archive_config *archive, struct journal_keeper *keeper, char *message,
    size_t message_size)
{
	struct journal_sealer *sealer = calloc(1, sizeof(*sealer));
	struct journal_segment_list list = { 0 };
	struct journal_meta meta;
	uint64_t oldest = 1;
	int result;

	snprintf(message, message_size, "out of memory");
	if (sealer == NULL)
		return -ENOMEM;
	sealer->config = *config;
	sealer->archive = *archive;
	sealer->keeper = keeper;
	sealer->directory_fd = sealer->pass.raw_fd = -1;
	sealer->writer.fd = sealer->writer.directory_fd = -1;
	pthread_mutex_init(&sealer->text_lock, NULL);
	result = parts_make(sealer);
	if (result == 0)
		result = journal_meta_read(sealer->directory_fd, config->shard, &meta);
	if (result == 0)
		result = journal_segment_list(sealer->directory_fd, &list);
	if (result == 0)
		result = journal_reader_open_at(&sealer->reader, sealer->directory_fd, meta.shard,
		    meta.incarnation, config->allow_volatile);
	if (result != 0) {
		snprintf(
		    message, message_size, "the journal cannot be read: %s", strerror(-result));
	} else {
		oldest = list.count > 0 ? list.generations[0] : 1;
		result = manifest_open(sealer, &meta, oldest, message, message_size);
	}
	journal_segment_list_free(&list);
	if (result != 0) {
		journal_sealer_free(sealer);
		return result;
	}
	journal_seal_archive_begin(sealer, oldest, message, message_size);
	JOURNAL_FIGURE_SET(sealer, archiving, (uint64_t)archiving(sealer));
	chain_set(sealer);
	keeper->sealer = sealer;
	publish(sealer);
	*out = sealer;
	return 0;
}

void journal_sealer_free(struct journal_sealer *sealer)
{
	if (sealer == NULL)
		return;
	journal_pass_end(sealer);
	journal_check_close(sealer->check);
	journal_archive_free(&sealer->writer);
	journal_reader_close(sealer->reader);
	if (sealer->directory_fd >= 0)
		close(sealer->directory_fd);
	EVP_MD_CTX_free(sealer->digest);
	free(sealer->raw);
	free(sealer->walk);
	free((void *)(uintptr_t)sealer->config.directory);
	pthread_mutex_destroy(&sealer->text_lock);
	free(sealer);
}
