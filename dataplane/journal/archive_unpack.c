/* SPDX-License-Identifier: Apache-2.0 */
/* Archive files back into a journal directory that can be read, never written on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/manifest.h"
#include "dataplane/journal/meta.h"
#include "dataplane/journal/segment.h"

#define LATER_MAX 64

struct unpack {
	const struct journal_unpack *what;
	struct journal_archive_file *files;
	size_t count, room;
	uint64_t others; /* files of earlier journals: the past of this one, or of another switch */
	/* Journals begun since, behind what a restore or a repair kept. */
	struct {
		uint64_t incarnation;
		uint64_t first_lsn; /* 0: its first file is not here */
	} later[LATER_MAX];
	unsigned later_count;
};

static void later_note(struct unpack *unpack, uint64_t incarnation, uint64_t first_lsn)
{
	unsigned i = 0;

	while (i < unpack->later_count && unpack->later[i].incarnation != incarnation)
		i++;
	if (i == LATER_MAX) {
		unpack->later[0].first_lsn = 0; /* more than are told apart */
		return;
	}
	if (i == unpack->later_count) {
		unpack->later[unpack->later_count].incarnation = incarnation;
		unpack->later[unpack->later_count++].first_lsn = 0;
	}
	if (first_lsn != 0)
		unpack->later[i].first_lsn = first_lsn;
}

static int note(void *context, const struct journal_archive_file *file)
{
	struct unpack *unpack = context;

	if (file->incarnation > unpack->what->incarnation) {
		later_note(unpack, file->incarnation,
		    file->seal.generation == 1 ? file->seal.first_lsn : 0);
		return 0;
	}
	/* A file whose header is damaged may be one that is needed: it is asked for by its gap. */
	if (file->seal.generation == 0)
		return 0;
	if (file->incarnation != unpack->what->incarnation) {
		unpack->others++;
		return 0;
	}
	if (file->seal.last_lsn < unpack->what->from_lsn ||
	    (unpack->what->until_lsn != 0 && file->seal.first_lsn > unpack->what->until_lsn))
		return 0;
	if (unpack->count == unpack->room) {
		size_t room = unpack->room == 0 ? 64 : 2 * unpack->room;
		struct journal_archive_file *files = realloc(unpack->files, room * sizeof(*files));

		if (files == NULL)
			return -ENOMEM;
		unpack->files = files;
		unpack->room = room;
	}
	unpack->files[unpack->count++] = *file;
	return 0;
}

static int by_generation(const void *left, const void *right)
{
	const struct journal_archive_file *one = left, *other = right;

	return (one->seal.generation > other->seal.generation) -
	       (one->seal.generation < other->seal.generation);
}

static int is_there(const struct unpack *unpack, const struct journal_seal *seal)
{
	for (size_t i = 0; i < unpack->count; i++)
		if (unpack->files[i].seal.generation == seal->generation)
			return strcmp(unpack->files[i].seal.sha256, seal->sha256) == 0;
	return 0;
}

/* Every seal the wanted moment takes has its file. */
static int listed_walk(
    const struct unpack *unpack, struct journal_manifest_walk *walk, char *why, size_t why_size)
{
	const struct journal_unpack *what = unpack->what;
	struct journal_seal seal;
	int result;

	while ((result = journal_manifest_walk_next(walk, &seal, why, why_size)) == 1) {
		/* One that begins right behind it may do. */
		if (seal.last_lsn <= what->from_lsn)
			continue;
		if (what->until_lsn != 0 && seal.first_lsn > what->until_lsn)
			return 0;
		if (!is_there(unpack, &seal)) {
			char name[JOURNAL_ARCHIVE_NAME_SIZE];

			journal_archive_name(name, what->incarnation, seal.generation);
			snprintf(why, why_size,
			    "%s, segment %" PRIu64 " (LSN %" PRIu64 " to %" PRIu64
			    "), is missing or damaged, though its manifest lists it",
			    name, seal.generation, seal.first_lsn, seal.last_lsn);
			return -EBADMSG;
		}
		if (seal.time_ns > what->until_ns)
			return 0;
	}
	return result;
}

/* What is here reaches beyond the end that is wanted: what comes later is not asked for. */
static int end_is_here(const struct unpack *unpack, uint64_t lsn_max)
{
	const struct journal_unpack *what = unpack->what;

	if (what->until_lsn != 0 && lsn_max != UINT64_MAX)
		return what->until_lsn <= lsn_max;
	for (size_t i = 0; i < unpack->count; i++) {
		const struct journal_seal *seal = &unpack->files[i].seal;

		if (seal->last_lsn <= lsn_max &&
		    (seal->time_ns > what->until_ns ||
		        (what->until_lsn != 0 && seal->last_lsn >= what->until_lsn)))
			return 1;
	}
	return 0;
}

/* The newest files cannot be missed by their neighbours: the manifest's copy knows of them. */
static int listed_check(const struct unpack *unpack, char *why, size_t why_size)
{
	struct journal_manifest_walk *walk;
	char name[JOURNAL_ARCHIVE_NAME_SIZE];
	int fd, result;

	fd = open(unpack->what->archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	walk = malloc(sizeof(*walk));
	journal_archive_manifest_name(name, unpack->what->incarnation);
	result = walk == NULL ? -ENOMEM : journal_manifest_walk_open(walk, fd, name, why, why_size);
	if (result == 0) {
		result = unpack->what->end_open ? 0 : listed_walk(unpack, walk, why, why_size);
		journal_manifest_walk_close(walk);
	} else if (unpack->count == 0 && unpack->others > 0 && result == -ENOENT) {
		snprintf(why, why_size,
		    "its files are of another journal, or of one restored since; none is of "
		    "%016" PRIx64,
		    unpack->what->incarnation);
		result = -EBADMSG;
	} else if (unpack->what->end_open ||
	           (result == -ENOENT && end_is_here(unpack, UINT64_MAX))) {
		why[0] = '\0';
		result = 0;
	} else if (result == -ENOENT) {
		snprintf(why, why_size,
		    "%s, the copy of the journal's manifest, is missing: without it nobody knows "
		    "whether newer files are",
		    name);
		result = -EBADMSG;
	}
	free(walk);
	close(fd);
	return result;
}

/* A journal begun since of which no segment is full yet has its manifest here. */
static int later_manifests_note(struct unpack *unpack)
{
	DIR *stream = opendir(unpack->what->archive);
	struct dirent *entry;

	if (stream == NULL)
		return -errno;
	while ((entry = readdir(stream)) != NULL) {
		unsigned long long incarnation;
		char again[JOURNAL_ARCHIVE_NAME_SIZE];

		if (sscanf(entry->d_name, "%16llx" JOURNAL_ARCHIVE_MANIFEST_EXT, &incarnation) != 1)
			continue;
		journal_archive_manifest_name(again, incarnation);
		if (strcmp(entry->d_name, again) == 0 && incarnation > unpack->what->incarnation)
			later_note(unpack, incarnation, 0);
	}
	closedir(stream);
	return 0;
}

/*
 * Where a later journal begins, the wanted one may go on with what the restore between them
 * discarded: it is followed no further.
 */
static int later_check(struct unpack *unpack, char *why, size_t why_size)
{
	uint64_t fork = UINT64_MAX, begins = 0, incarnation = 0;
	int result = later_manifests_note(unpack);

	if (result != 0)
		return result;
	for (unsigned i = 0; i < unpack->later_count; i++) {
		uint64_t first = unpack->later[i].first_lsn, last = first == 0 ? 0 : first - 1;

		if (last < fork) {
			fork = last;
			begins = first;
			incarnation = unpack->later[i].incarnation;
		}
	}
	if (unpack->later_count == 0 || end_is_here(unpack, fork))
		return 0;
	if (begins != 0)
		snprintf(why, why_size,
		    "journal %016" PRIx64 ", begun by a restore or repair, goes on from LSN "
		    "%" PRIu64 ", and what %016" PRIx64 " holds from there on was discarded then",
		    incarnation, begins, unpack->what->incarnation);
	else
		snprintf(why, why_size,
		    "journal %016" PRIx64 " was begun since by a restore or repair, and from which "
		    "LSN on what %016" PRIx64 " holds was discarded then is not known",
		    incarnation, unpack->what->incarnation);
	return -ESTALE;
}

static int extract(const struct journal_unpack *what, const struct journal_archive_file *file,
    int directory_fd, char *why, size_t why_size)
{
	struct journal_archive_file read;
	char name[JOURNAL_NAME_SIZE];
	int fd, result;

	journal_segment_name(name, file->seal.generation);
	fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		result = -errno;
		snprintf(why, why_size, "%s: %s", name, strerror(errno));
		return result;
	}
	result = journal_archive_extract(what->archive, file->name, fd, &read, why, why_size);
	close(fd);
	if (result == -ENOENT) {
		/* It was there a moment ago. */
		snprintf(why, why_size,
		    "%s was removed while the archive was read (archive.keep_days); try again",
		    file->name);
		result = -EAGAIN;
	}
	return result;
}

/* In order, up to the first that ends behind until_ns. A gap is an error, not an end. */
static int extract_all(struct unpack *unpack, int directory_fd, char *why, size_t why_size)
{
	const struct journal_unpack *what = unpack->what;
	int result = 0;

	for (size_t i = 0; i < unpack->count && result == 0; i++) {
		const struct journal_seal *seal = &unpack->files[i].seal;

		if (i > 0 && seal->generation != unpack->files[i - 1].seal.generation + 1) {
			snprintf(why, why_size, "segment %" PRIu64 " is not in the archive",
			    unpack->files[i - 1].seal.generation + 1);
			return -EBADMSG;
		}
		result = extract(what, &unpack->files[i], directory_fd, why, why_size);
		if (seal->time_ns > what->until_ns)
			break;
	}
	return result;
}

int journal_archive_unpack(const struct journal_unpack *what, char *why, size_t why_size)
{
	struct journal_meta meta = {
		.shard = what->shard,
		.incarnation = what->incarnation,
		.boot_counter = UINT32_MAX, /* above every boot: nobody goes on with this journal */
	};
	struct unpack unpack = { .what = what };
	int fd = -1, result = journal_archive_list(what->archive, note, &unpack);

	why[0] = '\0';
	if (result == 0)
		result = later_check(&unpack, why, why_size);
	if (result == 0)
		result = listed_check(&unpack, why, why_size);
	if (result == 0 && unpack.count == 0) {
		snprintf(why, why_size, "no file of it reaches that far");
		result = -ENOENT;
	}
	if (result == 0) {
		qsort(unpack.files, unpack.count, sizeof(*unpack.files), by_generation);
		/* The first batch begins where the oldest file begins. */
		meta.base_lsn = unpack.files[0].seal.first_lsn - 1;
		fd = open(what->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			result = -errno;
	}
	if (result == 0)
		result = extract_all(&unpack, fd, why, why_size);
	if (result == 0)
		result = journal_meta_write(fd, &meta);
	if (result != 0 && why[0] == '\0')
		snprintf(why, why_size, "%s", strerror(-result));
	if (fd >= 0)
		close(fd);
	free(unpack.files);
	return result;
}
