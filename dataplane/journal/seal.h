/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing and archive of finished segments. A thread of its own drives the sealer in slices of some
 * 256 KiB; nothing here is called by the worker or waits for it.
 *
 *   journal_sealer_create (behind journal_keeper_create) -> journal_sealer_work in the sealer's
 *   thread until stopped -> journal_sealer_free, before journal_keeper_free
 *
 * A segment is recycled only once it is below the durable checkpoint, sealed (manifest.h) and, when
 * there is an archive, archived (archive.h): the keeper asks the sealer.
 */
#ifndef SLUICE_JOURNAL_SEAL_H
#define SLUICE_JOURNAL_SEAL_H

#include "dataplane/journal/journal.h"

#define JOURNAL_SHA256_TEXT 65 /* hexadecimal, with the terminator */

/* What is known of a finished segment. */
struct journal_seal {
	uint64_t generation;
	uint64_t first_lsn, last_lsn;
	uint64_t events, batches;
	uint64_t length;    /* bytes from offset 0 that are sealed */
	uint64_t time_ns;   /* event time of the last event */
	uint64_t sealed_ns; /* clock */
	uint32_t damaged;   /* its batches could not be read to their end */
	char sha256[JOURNAL_SHA256_TEXT];
	char chain[JOURNAL_SHA256_TEXT]; /* over all lines up to this one */
};

struct journal_archive_config {
	char directory[4300]; /* of this shard; "": no archive */
	char name[4100];      /* as configured, of all shards: the mark in the journal says it */
	uint32_t keep_days;   /* by time of the last event; 0: for ever */
	uint64_t keep_bytes;  /* and no more than this in all; 0: no limit */
};

struct journal_sealer;

/*
 * `keeper`: made before, of the same configuration. `message` gets what failed or, on success, what
 * an operator should know ("" nothing): a manifest that begins late.
 * 0; -EBADMSG, -EPROTO: the manifest is not right; -errno.
 */
SLUICE_MUST_USE int journal_sealer_create(struct journal_sealer **out,
    const struct journal_config *config, const struct journal_archive_config *archive,
    struct journal_keeper *keeper, char *message, size_t message_size);
/*
 * One slice. `now_ns`: CLOCK_REALTIME. 1: did something; 0: nothing to do; -errno: failed, counted,
 * tried again by itself a second later.
 */
int journal_sealer_work(struct journal_sealer *sealer, uint64_t now_ns);
/* Any thread: what failed is tried again at once, retention looks again. */
void journal_sealer_retry(struct journal_sealer *sealer);
/* Any thread: asks for a check of all seals and archive files; its result is in the status. */
void journal_sealer_verify(struct journal_sealer *sealer);
/* Sealer's thread: finished segments that are not released yet: how urgent it is. */
unsigned journal_sealer_backlog(const struct journal_sealer *sealer);
void journal_sealer_free(struct journal_sealer *sealer);

/* X(name): figures, 64 bits each, readable from any thread. */
#define JOURNAL_SEALER_FIGURES(X)                                                                  \
	X(finished_segment) /* newest segment the writer has left */                               \
	X(sealed_segment)   /* newest one sealed */                                                \
	X(sealed_lsn)                                                                              \
	X(sealed_bytes) /* since the start */                                                      \
	X(seals)        /* since the start */                                                      \
	X(seals_damaged)                                                                           \
	X(seal_errors)                                                                             \
	X(archiving)        /* 1: there is an archive */                                           \
	X(archived_segment) /* newest one archived */                                              \
	X(archived_lsn)                                                                            \
	X(archive_lacks)     /* at the start it had not all that was archived, up to this */       \
	X(archive_bytes_in)  /* sealed bytes archived since the start */                           \
	X(archive_bytes_out) /* compressed */                                                      \
	X(archive_errors)                                                                          \
	X(archive_error)    /* errno of the last try, 0: it succeeded */                           \
	X(archive_files)    /* in the directory, at the last look */                               \
	X(archive_bytes)    /* of these */                                                         \
	X(archive_removed)  /* by retention, since the start */                                    \
	X(waiting_segments) /* finished and not yet sealed, or not archived */                     \
	X(verify_runs)      /* checks finished */                                                  \
	X(verify_running)                                                                          \
	X(verify_seals)    /* of the last check: seals */                                          \
	X(verify_segments) /* segment files compared */                                            \
	X(verify_archives) /* archive files compared */                                            \
	X(verify_bad)      /* what did not fit */

struct journal_sealer_status {
#define JOURNAL_SEALER_FIELD(name) uint64_t name;
	JOURNAL_SEALER_FIGURES(JOURNAL_SEALER_FIELD)
#undef JOURNAL_SEALER_FIELD
};

void journal_sealer_status(const struct journal_sealer *sealer, struct journal_sealer_status *out);
/* The first thing the last check found wrong; "" nothing. Any thread. */
void journal_sealer_verify_text(struct journal_sealer *sealer, char *text, size_t size);
/* Chain of the newest seal. Any thread. */
void journal_sealer_chain(struct journal_sealer *sealer, char text[JOURNAL_SHA256_TEXT]);

/*
 * A manifest without seals for a journal that holds nothing yet, durable; `follows`: chain of the
 * manifest it takes the place of, NULL none. What repair does behind journal_begin. 0, -errno.
 */
SLUICE_MUST_USE int journal_manifest_begin(
    int directory_fd, uint32_t shard, uint64_t incarnation, uint64_t first, const char *follows);

/* ---- Checking: seals against segments and archive ---- */

struct journal_check;

struct journal_check_report {
	uint64_t seals, segments, archives;
	uint64_t
	    archives_missing; /* sealed, neither here nor in the archive: by retention or not yet */
	uint64_t archived_bytes;
	/* Of archives_missing: those that must be in the archive, and "3 to 9, 12" for people.
	 * Known where the journal has a mark of its archive (journal.archive), which all have by
	 * now. */
	uint64_t lost;
	char lost_text[160];
	int archive_gone; /* its folder is not there */
	uint64_t first_generation, next_generation, last_lsn;
	uint64_t torn; /* bytes of an append cut short at the manifest's end */
	uint64_t bad;
	uint64_t bad_generation, bad_lsn;
	char what[256]; /* the first thing wrong: file, place, what */
	char chain[JOURNAL_SHA256_TEXT];
};

/*
 * `archive`: NULL or "": none. `archive_alone`: segments that are still here are not read. 0;
 * -ENOENT: no manifest; else -errno with report->what. The data plane may run: what is recycled
 * meanwhile is passed over.
 */
SLUICE_MUST_USE int journal_check_open(struct journal_check **out,
    const struct journal_config *config, const char *archive, int archive_alone,
    struct journal_check_report *report);
/* One slice of about 256 KiB. 1: goes on; 0: finished; what is wrong is counted in the report. */
int journal_check_step(struct journal_check *check, struct journal_check_report *report);
void journal_check_close(struct journal_check *check);

/* ---- Archive, for tools ---- */

struct journal_archive_file {
	uint64_t incarnation;
	struct journal_seal seal; /* without its chain */
	uint64_t size;            /* of the file */
	char name[64];
};
/* A damaged header: name, incarnation and nothing else. */
typedef int journal_archive_visit(void *context, const struct journal_archive_file *file);
/* Every archive file of a shard's archive directory, in no order. 0, what `visit` returned, -errno.
 */
SLUICE_MUST_USE int journal_archive_list(
    const char *directory, journal_archive_visit *visit, void *context);
/*
 * The last LSN a journal's manifest lists in the copy beside its files, and so what was durable in
 * that journal: one that ends before it is an older copy of itself. A torn end does not count. 0:
 * no copy, none of this shard's journal, or it cannot be read.
 */
uint64_t journal_archive_sealed_lsn(const char *directory, uint32_t shard, uint64_t incarnation);
/*
 * Decompresses a file and compares it with its own header; `out_fd` -1 or where the segment's bytes
 * go. 0; -EBADMSG with `why`; -EPROTO newer version; -errno.
 */
SLUICE_MUST_USE int journal_archive_extract(const char *directory, const char *name, int out_fd,
    struct journal_archive_file *file, char *why, size_t why_size);

struct journal_unpack {
	const char *archive;   /* a shard's archive directory */
	const char *directory; /* an empty one: becomes a journal that can be read */
	uint32_t shard;
	uint64_t incarnation; /* of the journal wanted; files of earlier ones are passed over */
	uint64_t from_lsn;    /* the first event wanted */
	uint64_t until_ns;    /* no file behind the first that ends later */
	uint64_t until_lsn;   /* no file that begins later; 0: no limit */
	int end_open;         /* the newest may be missing: what there is is taken */
};
/*
 * Segments as they were sealed, and a journal.meta no data plane goes on with. 0; -ENOENT no file
 * reaches to from_lsn; -ESTALE a later journal's files or manifest are here too, and the end wanted
 * is not shown by the files to lie before its first event; -EBADMSG damaged, of other journals
 * only, or one is missing that lies in the middle, or that the manifest's copy beside them lists,
 * or that copy is (but those at the end, and it, with end_open); -EAGAIN one was removed since they
 * were listed; -EPROTO newer version; -errno.
 * `why` is one sentence then; what was written is the caller's to remove.
 */
SLUICE_MUST_USE int journal_archive_unpack(
    const struct journal_unpack *what, char *why, size_t why_size);

#endif
