/* SPDX-License-Identifier: Apache-2.0 */
/* A running journal with a sealer and, if wanted, an archive beside it. */
#ifndef SLUICE_TESTS_JOURNAL_SEAL_FIXTURE_H
#define SLUICE_TESTS_JOURNAL_SEAL_FIXTURE_H

#include <dirent.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/keeper.h"
#include "dataplane/journal/manifest.h"
#include "dataplane/journal/seal.h"
#include "tests/journal/harness.h"
#include "wire/hex.h"

#define SEALED_AT 1700000000000000000ull

struct sealing {
	struct harness harness;
	struct running running;
	struct journal_report report;
	struct journal_sealer *sealer;
	struct journal_archive_config archive;
	char message[1000];
	uint64_t now_ns;
};

/* What it says is in `message`. */
static inline void sealing_open(struct sealing *sealing)
{
	uint64_t checkpoint_lsn = sealing->running.checkpoint_lsn;

	if (harness_recover(
	        &sealing->harness, checkpoint_lsn + 1, checkpoint_lsn, &sealing->report) != 0)
		fail_msg("%s", sealing->report.damage);
	running_start(&sealing->running, &sealing->harness, &sealing->report, 16);
	sealing->running.checkpoint_lsn = checkpoint_lsn;
	assert_int_equal(
	    journal_sealer_create(&sealing->sealer, &sealing->harness.config, &sealing->archive,
	        sealing->running.keeper, sealing->message, sizeof(sealing->message)),
	    0);
}

static inline void sealing_start(struct sealing *sealing)
{
	sealing_open(sealing);
	assert_string_equal(sealing->message, "");
}

static inline void sealing_begin(struct sealing *sealing, int with_archive)
{
	memset(sealing, 0, sizeof(*sealing));
	sealing->now_ns = SEALED_AT;
	harness_begin(&sealing->harness);
	sealing->harness.config.segments_max = 6;
	if (with_archive) {
		snprintf(sealing->archive.directory, sizeof(sealing->archive.directory),
		    "%s-archive", sealing->harness.directory);
		snprintf(sealing->archive.name, sizeof(sealing->archive.name), "archive");
		assert_int_equal(mkdir(sealing->archive.directory, 0700), 0);
	}
	sealing_start(sealing);
}

static inline void sealing_stop(struct sealing *sealing)
{
	uint64_t checkpoint_lsn = sealing->running.checkpoint_lsn;

	journal_sealer_free(sealing->sealer);
	sealing->sealer = NULL;
	running_stop(&sealing->running);
	sealing->running.checkpoint_lsn = checkpoint_lsn;
}

static inline void folder_remove(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;

	while (stream != NULL && (entry = readdir(stream)) != NULL)
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(stream), entry->d_name, 0), 0);
	if (stream != NULL) {
		closedir(stream);
		assert_int_equal(rmdir(path), 0);
	}
}

static inline void sealing_end(struct sealing *sealing)
{
	if (sealing->sealer != NULL)
		sealing_stop(sealing);
	if (sealing->archive.directory[0] != '\0')
		folder_remove(sealing->archive.directory);
	harness_end(&sealing->harness);
}

/* All the keeper has to do now, by the checkpoint as it is. */
static inline void sealing_keep(struct sealing *sealing)
{
	while (journal_keeper_work(sealing->running.keeper, sealing->running.checkpoint_lsn) == 1)
		;
}

/* All the sealer has to do now. What it failed with, 0 if nothing. */
static inline int sealing_seal(struct sealing *sealing)
{
	int result;

	do {
		sealing->now_ns += 1000;
		result = journal_sealer_work(sealing->sealer, sealing->now_ns);
	} while (result == 1);
	return result;
}

/* Fills `segments` segments with durable batches; 28 of 8 events in each. 0: the journal is full.
 */
static inline int sealing_fill(struct sealing *sealing, unsigned segments)
{
	for (unsigned i = 0; i < segments * 28; i++) {
		for (unsigned j = 0; j < 8; j++)
			if (!running_event(&sealing->running, 4096))
				return 0;
		(void)running_drain(&sealing->running);
		sealing_keep(sealing);
	}
	return 1;
}

static inline struct journal_sealer_status sealing_status(const struct sealing *sealing)
{
	struct journal_sealer_status status;

	journal_sealer_status(sealing->sealer, &status);
	return status;
}

/* A whole check, as the tools do it. */
static inline struct journal_check_report sealing_check(const struct sealing *sealing)
{
	struct journal_check_report report;
	struct journal_check *check;

	assert_int_equal(journal_check_open(&check, &sealing->harness.config,
	                     sealing->archive.directory, 0, &report),
	    0);
	while (journal_check_step(check, &report) == 1)
		;
	journal_check_close(check);
	return report;
}

/* Changes one byte of a file of the journal (or of a path). */
static inline void file_flip(int directory_fd, const char *name, off_t at)
{
	int fd = openat(directory_fd, name, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static inline uint64_t file_size(int directory_fd, const char *name)
{
	struct stat status;

	assert_int_equal(fstatat(directory_fd, name, &status, 0), 0);
	return (uint64_t)status.st_size;
}

#endif
