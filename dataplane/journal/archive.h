/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archive: one file per sealed segment, compressed. Private to the journal.
 *
 * <directory>/<incarnation>-<generation>.seg.zst, 16 hexadecimal digits each, is two zstd frames: a
 * skippable one with the header below, then the sealed bytes of the segment with zstd's own
 * checksum. `zstd -dc FILE | sha256sum` gives the sha256 of the seal. A copy of journal.manifest
 * lies beside the files as <incarnation>.manifest.
 *
 * Written as archive.new, fsync (fdatasync on the way), rename, fsync of the directory: a file with
 * its name is whole. archive.new of any length may be left by a crash and is written over.
 *
 * Header, little-endian, 256 bytes
 *      0  4  0x184d2a5e, of a skippable frame     56  8  events
 *      4  4  248, its size                        64  8  batches
 *      8  8  magic "SUCEARCH"                     72  8  sealed bytes
 *     16  2  version 1                            80  8  event time of the last event
 *     18  2  shard                                88  8  clock when it was sealed
 *     20  4  1: damaged (manifest.h), else 0      96 32  SHA-256 of the sealed bytes
 *     24  8  incarnation                         128    zero
 *     32  8  generation                          248  8  low 64 bits of XXH3-128 over 0..247
 *     40  8  first LSN
 *     48  8  last LSN
 */
#ifndef SLUICE_JOURNAL_ARCHIVE_H
#define SLUICE_JOURNAL_ARCHIVE_H

#include <openssl/evp.h>
#include <zstd.h>

#include "dataplane/journal/seal.h"

#define JOURNAL_ARCHIVE_NAME_NEW     "archive.new"
#define JOURNAL_ARCHIVE_NAME_SIZE    64
#define JOURNAL_ARCHIVE_MAGIC        0x4843524145435553ull /* "SUCEARCH" little-endian */
#define JOURNAL_ARCHIVE_VERSION      1
#define JOURNAL_ARCHIVE_FRAME        0x184d2a5eu
#define JOURNAL_ARCHIVE_BUFFER_SIZE  (128u * 1024u)
#define JOURNAL_ARCHIVE_SYNC_SIZE    (4u * 1024u * 1024u) /* no long sync at the end */
#define JOURNAL_ARCHIVE_LEVEL        1
#define JOURNAL_ARCHIVE_WINDOW_LOG   20 /* 1 MiB: memory of both sides is bounded */
#define JOURNAL_ARCHIVE_MANIFEST_EXT ".manifest"

struct journal_archive_header {
	struct le32 frame_magic, frame_size;
	struct le64 magic;
	struct le16 version, shard;
	struct le32 damaged;
	struct le64 incarnation, generation;
	struct le64 first_lsn, last_lsn;
	struct le64 events, batches, length;
	struct le64 time_ns, sealed_ns;
	uint8_t sha256[32];
	uint8_t reserved[120];
	struct le64 checksum;
};
ASSERT_SIZE(struct journal_archive_header, 256);
ASSERT_OFFSET(struct journal_archive_header, incarnation, 24);
ASSERT_OFFSET(struct journal_archive_header, sha256, 96);
ASSERT_OFFSET(struct journal_archive_header, checksum, 248);

void journal_archive_name(
    char name[JOURNAL_ARCHIVE_NAME_SIZE], uint64_t incarnation, uint64_t generation);

/* ---- Writing one file ---- */

struct journal_archive_writer {
	int directory_fd, fd; /* -1: none */
	ZSTD_CCtx *context;
	uint8_t *out; /* JOURNAL_ARCHIVE_BUFFER_SIZE */
	uint64_t written, synced;
};

/* Opens the directory and archive.new in it. 0, -errno. */
SLUICE_MUST_USE int journal_archive_begin(
    struct journal_archive_writer *writer, const char *directory);
SLUICE_MUST_USE int journal_archive_add(
    struct journal_archive_writer *writer, const uint8_t *bytes, size_t size);
/*
 * Ends the file, puts the header in front, gives it its name: durable when it returns 0. -EEXIST:
 * there is a file of that name with other bytes of a segment, of another copy of this journal; it
 * stays as it is. One whose header is damaged is replaced.
 */
SLUICE_MUST_USE int journal_archive_finish(struct journal_archive_writer *writer, uint32_t shard,
    uint64_t incarnation, const struct journal_seal *seal);
/* Closes what is open; archive.new is left. */
void journal_archive_abandon(struct journal_archive_writer *writer);
/* Buffers and context too. */
void journal_archive_free(struct journal_archive_writer *writer);

/* ---- Reading one file ---- */

struct journal_archive_reader {
	int fd, out_fd; /* out_fd -1: nowhere */
	struct journal_archive_header header;
	ZSTD_DCtx *context;
	EVP_MD_CTX *digest;
	uint8_t *in, *out;
	ZSTD_inBuffer input;
	uint64_t offset, produced;
	int frame_ended;
};

/* The header, checked, into `file`. 0; -EPROTO newer; -EBADMSG; -errno. */
SLUICE_MUST_USE int journal_archive_header_read(
    int directory_fd, const char *name, struct journal_archive_file *file);
SLUICE_MUST_USE int journal_archive_open(struct journal_archive_reader *reader, int directory_fd,
    const char *name, int out_fd, struct journal_archive_file *file);
/* About 256 KiB of the segment. 1: goes on; 0: it is what its header says; -EBADMSG; -errno. */
SLUICE_MUST_USE int journal_archive_step(
    struct journal_archive_reader *reader, const struct journal_archive_file *file);
void journal_archive_close(struct journal_archive_reader *reader);

/* ---- The directory ---- */

/*
 * Brings <incarnation>.manifest up to the first `size` bytes of the journal's manifest, durably.
 * -EBADMSG: what is there is not its beginning.
 */
SLUICE_MUST_USE int journal_archive_manifest_copy(
    const char *directory, int journal_fd, uint64_t incarnation, uint64_t size);
/*
 * Is the copy beside the archive's files the journal's manifest, and as long as it must be?
 * `archived`: newest segment that is in the archive alone; 0: none. The data plane may run. 0;
 * -EBADMSG, -errno: `why` is one sentence.
 */
SLUICE_MUST_USE int journal_archive_copy_check(int archive_fd, int journal_fd, uint32_t shard,
    uint64_t incarnation, uint64_t archived, char *why, size_t why_size);
/* Name of the copy of the manifest. */
void journal_archive_manifest_name(char name[JOURNAL_ARCHIVE_NAME_SIZE], uint64_t incarnation);

struct journal_archive_keep {
	uint64_t before_ns; /* files whose last event is older go; 0: none by age */
	/* The newest event sealed, and the longest time between two files that counts towards age:
	 * a clock that jumped under load makes all before it old at once. 0: all counts. */
	uint64_t newest_ns, step_max_ns;
	uint64_t bytes_max; /* and the oldest while there are more; 0: no limit */
	uint64_t
	    incarnation;     /* of the journal that runs, and its oldest segment still here: that */
	uint64_t generation; /* one and later ones stay, else they would be archived again */
	/* Called once, before the first file of that journal goes, with the generation of the first
	 * one that stays; what it returns but 0 is the result, and nothing goes. NULL: nobody. */
	int (*announce)(void *context, uint64_t from);
	void *context;
	uint64_t files, bytes; /* out: left */
	uint64_t removed;      /* out */
};
/* One look over the directory. 0, -errno. */
SLUICE_MUST_USE int journal_archive_retain(
    const char *directory, struct journal_archive_keep *keep);

#endif
