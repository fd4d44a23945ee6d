/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each shard is cut. A cut by time is one over all shards: what arrives is never earlier than
 * what left, so nothing has arrived that had not left; what was under way is sent again by the
 * switch when it starts. A linked group is cut before it or behind it, never inside.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/sluice-db/from_backup.h"

void from_backup_path(const struct from_backup *from, uint32_t shard, char path[PATH_MAX + 64])
{
	snprintf(path, PATH_MAX + 64, "%s/" BACKUP_DATA "/shard-%u", from->base.path, shard);
}

void from_archive_path(const struct from_backup *from, uint32_t shard, char path[PATH_MAX + 64])
{
	snprintf(path, PATH_MAX + 64, "%s/shard-%u", from->archive_path, shard);
}

struct cut_walk {
	uint64_t time_max, lsn_max;
	uint64_t last;         /* the last event that may stay, no linked group begun behind it */
	uint64_t last_time_ns; /* its time */
	uint64_t seen;         /* the last event read */
	int beyond;            /* an event behind the cut was seen */
	/* Bytes of the event at `seen`, to prove that the archive goes on from the same log. */
	struct event_buffer event;
	size_t event_size;
};

static int refuse(struct restore *restore, uint32_t shard, const struct damage *damage, int error)
{
	return restore_fail(restore, EXIT_MISMATCH, "shard %u: LSN %" PRIu64 ": %s", shard,
	    damage->lsn, damage->what[0] != '\0' ? damage->what : strerror(-error));
}

static void event_take(struct cut_walk *walk, struct db_bytes event)
{
	struct event_record record;
	uint64_t lsn, time_ns;

	memcpy(&record, event.data, sizeof(record));
	lsn = le64_get(record.lsn);
	time_ns = le64_get(record.time_ns);
	if (time_ns > walk->time_max || lsn > walk->lsn_max) {
		walk->beyond = 1;
		return;
	}
	walk->seen = lsn;
	walk->event_size = event.size;
	memcpy(walk->event.bytes, event.data, event.size);
	if ((record.flags & EVENT_FLAG_LINKED) == 0) {
		walk->last = lsn;
		walk->last_time_ns = time_ns;
	}
}

/* Reads on from `lsn` until the cut. 0 or -errno. */
static int walk_on(
    struct cut_walk *walk, const char *path, uint32_t shard, uint64_t lsn, struct damage *damage)
{
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	events_seek(&events, lsn);
	while (!walk->beyond && (result = events_next(&events, &event)) == 1)
		event_take(walk, event);
	events_close(&events);
	return result < 0 ? result : 0;
}

/* Time of the first event of a log environment: 1 and *time_ns; 0 it has none; or -errno. */
static int first_time(
    const char *path, uint32_t shard, uint64_t first_lsn, uint64_t *time_ns, struct damage *damage)
{
	struct event_record record;
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	events_seek(&events, first_lsn);
	result = events_next(&events, &event);
	if (result == 1) {
		memcpy(&record, event.data, sizeof(record));
		*time_ns = le64_get(record.time_ns);
	}
	events_close(&events);
	return result;
}

/*
 * The environment the cut lies in: the last one that begins at or before it. The newest has no
 * event for as long as none came behind the commit that filled the one before: nothing begins
 * there.
 */
static int begin_find(const char *path, uint32_t shard, const struct cut_walk *walk,
    uint64_t *begin, struct damage *damage)
{
	struct events events;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	*begin = events.first_lsn;
	for (int i = events.env_count - 1; i > 0 && result >= 0; i--) {
		uint64_t time_ns = 0;

		if (events.first_lsns[i] > walk->lsn_max)
			continue;
		result = first_time(path, shard, events.first_lsns[i], &time_ns, damage);
		if (result == 1 && time_ns <= walk->time_max) {
			*begin = events.first_lsns[i];
			break;
		}
	}
	events_close(&events);
	return result < 0 ? result : 0;
}

/*
 * A journal out of an archive is of the backup's incarnation. One that a restore or a re-sharding
 * began right behind the backup's end has no batch in front of it: reading there finds a gap.
 */
static int begins_behind(
    const struct cut_walk *walk, const char *path, uint32_t shard, struct damage *damage)
{
	struct damage again = { .shard = shard };
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, &again);

	if (result != 0)
		return 0;
	events_seek(&events, walk->seen + 1);
	result = events_next(&events, &event);
	events_close(&events);
	if (result == 1)
		*damage = (struct damage){ .shard = shard };
	return result == 1;
}

/* 0: the archive holds the event the base ends with, or begins right behind it; -ENOENT: it ends
 * before; else they are not of one log. */
static int archive_meets(const struct cut_walk *walk, const char *path, uint32_t shard,
    int unpacked, struct damage *damage)
{
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	if (events.env_count > 0 && events.first_lsn == walk->seen + 1) {
		events_close(&events);
		return 0;
	}
	events_seek(&events, walk->seen);
	result = events_next(&events, &event);
	if (result == 1)
		result = event.size == walk->event_size &&
		                 memcmp(event.data, walk->event.bytes, event.size) == 0
		             ? 0
		             : -EBADMSG;
	else if (result == 0)
		result = -ENOENT;
	else if (unpacked && begins_behind(walk, path, shard, damage))
		result = 0;
	events_close(&events);
	return result;
}

/*
 * They are of one log. One of the same journal may end before the base: it has nothing to add. A
 * later journal that ends there goes on from an earlier event: the restore that began it discarded
 * the end of the base, and what was acknowledged since is not behind that.
 */
static int archive_fits(struct restore *restore, const struct cut_walk *walk, const char *path,
    uint32_t shard, struct damage *damage)
{
	const struct from_backup *from = restore->backup;
	int result;

	if (walk->seen == 0)
		return 0;
	result = archive_meets(walk, path, shard, from->unpacked[0] != '\0', damage);
	if (result == -ENOENT &&
	    backup_archive_incarnation(from, shard) > from->base.shards[shard].incarnation)
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u: the archive is of a journal that a restore began, and ends before "
		    "LSN %" PRIu64 " of the backup: that restore discarded the backup's end, and "
		    "what the archive holds does not go on behind it. Restore the newer backup "
		    "itself; of a root that has none, take one (sluice-db backup create)",
		    shard, walk->seen);
	if (result == 0 || result == -ENOENT)
		return 0;
	return restore_fail(restore, EXIT_MISMATCH,
	    "shard %u: the archive does not go on from LSN %" PRIu64
	    " of the backup (%s); give the archive of the same switch that begins before it",
	    shard, walk->seen, damage->what[0] != '\0' ? damage->what : "another event there");
}

static int archive_walk(struct restore *restore, struct cut_walk *walk, uint32_t shard)
{
	const struct from_backup *from = restore->backup;
	struct damage damage = { .shard = shard };
	char path[PATH_MAX + 64];
	int error;

	from_archive_path(from, shard, path);
	error = archive_fits(restore, walk, path, shard, &damage);
	if (error != 0)
		return error;
	error = walk_on(walk, path, shard, walk->seen + 1, &damage);
	return error == 0 ? 0 : refuse(restore, shard, &damage, error);
}

/* A shard that had no event behind T must have been looked at after T. */
static int covered_check(struct restore *restore, const struct from_backup *from,
    const struct cut_walk *walk, uint32_t shard)
{
	uint64_t covered = from->base.shards[shard].covered_ns;
	char text[32];

	if (from->archive_is_backup && from->archive.shards[shard].covered_ns > covered)
		covered = from->archive.shards[shard].covered_ns;
	if (from->target != TARGET_TIME || walk->beyond || from->time_ns <= covered ||
	    restore->cut_allowed)
		return 0;
	backup_time_text(covered, text);
	return restore_fail(restore, EXIT_MISMATCH,
	    "shard %u is held up to %s only, which is before the time asked for. Ask for that time "
	    "or an earlier one, give a later --archive, or take what there is with --cut",
	    shard, text);
}

/* Nothing of what the manifest promises may be missed by the way it was read. */
static int end_check(struct restore *restore, const struct cut_walk *walk, uint32_t shard)
{
	const struct backup_shard *entry = &restore->backup->base.shards[shard];

	if (walk->beyond || walk->seen >= entry->last_lsn)
		return 0;
	return restore_fail(restore, EXIT_MISMATCH,
	    "shard %u: the events read end at LSN %" PRIu64 ", the manifest says %" PRIu64
	    "; run sluice-db backup verify, and take another backup",
	    shard, walk->seen, entry->last_lsn);
}

/* The last event of the shard that anything here is known to hold, to tell what is left out. */
static uint64_t known_find(
    const struct from_backup *from, const struct cut_walk *walk, uint32_t shard)
{
	uint64_t known = from->base.shards[shard].last_lsn;
	struct damage damage = { .shard = shard };
	char path[PATH_MAX + 64];
	struct events events;
	struct db_bytes event;

	known = walk->seen > known ? walk->seen : known;
	if (!walk->beyond || from->archive_path[0] == '\0')
		return known;
	/* What does not read behind the cut is no reason against the cut. */
	from_archive_path(from, shard, path);
	if (events_open(&events, path, shard, &damage) != 0)
		return known;
	if (events.first_lsn <= known + 1) {
		events_seek(&events, known + 1);
		while (events_next(&events, &event) == 1)
			;
		known = events.next_lsn - 1 > known ? events.next_lsn - 1 : known;
	}
	events_close(&events);
	return known;
}

static int shard_cut_find(struct restore *restore, uint32_t shard)
{
	struct from_backup *from = restore->backup;
	const struct backup_shard *entry = &from->base.shards[shard];
	struct cut_walk walk = {
		.time_max = from->target == TARGET_TIME ? from->time_ns : UINT64_MAX,
		.lsn_max = from->target == TARGET_LSN ? from->lsns[shard] : UINT64_MAX,
		.last = entry->first_lsn - 1,
		.seen = entry->first_lsn - 1,
	};
	struct damage damage = { .shard = shard };
	char path[PATH_MAX + 64], text[32];
	uint64_t begin = 1;
	int error;

	from_backup_path(from, shard, path);
	error = begin_find(path, shard, &walk, &begin, &damage);
	if (error == 0)
		error = walk_on(&walk, path, shard, begin, &damage);
	if (error != 0)
		return refuse(restore, shard, &damage, error);
	if (!walk.beyond && from->archive_path[0] != '\0' &&
	    archive_walk(restore, &walk, shard) != 0)
		return -1;
	if (end_check(restore, &walk, shard) != 0 ||
	    covered_check(restore, from, &walk, shard) != 0)
		return -1;
	if (walk.last < entry->horizon_lsn && entry->first_lsn > 1) {
		backup_time_text(entry->horizon_time_ns, text);
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u: the backup goes back to LSN %" PRIu64 " (%s) at most, as its older "
		    "logs had been retired; use an older backup with this one as --archive",
		    shard, entry->horizon_lsn, text);
	}
	if (from->target == TARGET_LSN && from->lsns[shard] != UINT64_MAX &&
	    walk.seen < from->lsns[shard])
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u ends at LSN %" PRIu64 ", before the one asked for", shard, walk.seen);
	restore->until[shard] = walk.last;
	restore->known[shard] = known_find(from, &walk, shard);
	if (walk.last_time_ns > from->cut_time_ns)
		from->cut_time_ns = walk.last_time_ns;
	return 0;
}

/* First and last time of any event of the backup. 0, or -1: it has none. */
static int times_find(const struct backup *backup, uint64_t *first_ns, uint64_t *last_ns)
{
	*first_ns = UINT64_MAX;
	*last_ns = 0;
	for (uint32_t i = 0; i < backup->shard_count; i++) {
		const struct backup_shard *shard = &backup->shards[i];

		if (shard->first_lsn > shard->last_lsn)
			continue;
		if (shard->first_time_ns < *first_ns)
			*first_ns = shard->first_time_ns;
		if (shard->last_time_ns > *last_ns)
			*last_ns = shard->last_time_ns;
	}
	return *first_ns == UINT64_MAX ? -1 : 0;
}

static int time_check(struct restore *restore)
{
	const struct from_backup *from = restore->backup;
	uint64_t first_ns, last_ns;
	char wanted[32], first[32], last[32];

	if (from->target != TARGET_TIME || times_find(&from->base, &first_ns, &last_ns) != 0 ||
	    from->time_ns >= first_ns)
		return 0;
	backup_time_text(from->time_ns, wanted);
	backup_time_text(first_ns, first);
	backup_time_text(last_ns, last);
	return restore_fail(restore, EXIT_MISMATCH,
	    "--to-time %.40s is %s, before everything: the backup's events are from %s to %s (a "
	    "number alone is nanoseconds since 1970)",
	    restore->options->to_time, wanted, first, last);
}

int backup_cut_keeps(struct restore *restore)
{
	const struct backup *base = &restore->backup->base;
	uint64_t first_ns, last_ns;
	char first[32], last[32];

	/* A switch on which nothing has happened yet is restored as it is. */
	if (times_find(base, &first_ns, &last_ns) != 0)
		return 0;
	for (uint32_t shard = 0; shard < restore->shard_count; shard++)
		if (restore->until[shard] > 0)
			return 0;
	backup_time_text(first_ns, first);
	backup_time_text(last_ns, last);
	return restore_fail(restore, EXIT_MISMATCH,
	    "nothing would be left: the cut is before the first event of every shard. The "
	    "backup's events are from %s to %s",
	    first, last);
}

int backup_cut_find(struct restore *restore)
{
	int error = time_check(restore);

	for (uint32_t shard = 0; shard < restore->shard_count && error == 0; shard++)
		error = shard_cut_find(restore, shard);
	return error == 0 ? backup_cut_keeps(restore) : error;
}
