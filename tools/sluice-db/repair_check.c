/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/sluice-db/repair_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/sluice-db/backup.h"

#define RESTORE                                                                                    \
	"restore the root: sluice-db backup restore BACKUP NEW_ROOT (--archive DIR for what went " \
	"on behind the backup), or sluice-db restore --from-postgres"

/* ---- In a process of its own ---- */

static void end_silently(int number)
{
	(void)number;
	_exit(EXIT_MISMATCH);
}

struct guarded {
	int result;
	_Alignas(max_align_t) uint8_t shared[];
};

int repair_guarded(int (*run)(void *shared), void *shared, size_t size)
{
	static const int signals[] = { SIGBUS, SIGABRT, SIGSEGV, SIGFPE, SIGILL };
	struct guarded *guarded = mmap(NULL, sizeof(*guarded) + size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0, result;
	pid_t child;

	if (guarded == MAP_FAILED)
		return -errno;
	guarded->result = -EIO;
	memcpy(guarded->shared, shared, size);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(signals); i++)
			signal(signals[i], end_silently);
		guarded->result = run(guarded->shared);
		_exit(EXIT_DONE);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	result = child < 0 ? -errno : guarded->result;
	if (child > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_DONE))
		result = -EIO;
	memcpy(shared, guarded->shared, size);
	munmap(guarded, sizeof(*guarded) + size);
	return result;
}

struct check {
	const char *path;
	uint32_t shard;
	int log_only;
	struct verify_found found;
};

static int check_run(void *shared)
{
	struct check *check = shared;

	verify_shard_alone(check->path, check->shard, check->log_only, &check->found);
	return 0;
}

void repair_check(const char *path, uint32_t shard, int log_only, struct verify_found *found)
{
	struct check check = { .path = path, .shard = shard, .log_only = log_only };
	int error = repair_guarded(check_run, &check, sizeof(check));

	*found = check.found;
	if (error == 0)
		return;
	found->damage.shard = shard;
	damage_note(&found->damage, found->last_lsn, "%s",
	    error == -EIO ? "a database file cannot be read: it was cut short or changed, or the "
	                    "disk failed"
	                  : strerror(-error));
}

/* ---- What is said of it ---- */

struct words {
	const char *part, *remedy;
};

static struct words words_of(const struct verify_found *found, int journal)
{
	switch (found->part) {
	case VERIFY_READING:
		if (journal)
			return (struct words){ "journal",
				"sluice-db journal verify says which segments; " RESTORE };
		return (struct words){ "log", "its events are nowhere else in this root, and "
			                      "repair makes none: " RESTORE };
	case VERIFY_SEALS:
		return (struct words){ "seals",
			"the data plane starts on it; sluice-db journal verify compares segments "
			"and archive files with the seals" };
	case VERIFY_INDEX:
		return (struct words){ "index",
			"--rebuild-index makes the log's index of requests anew from its events" };
	case VERIFY_EVENTS:
		return (struct words){ "events",
			"events that are whole do not fit each other, and nothing here can tell "
			"which is right: keep this root as it is, and " RESTORE };
	case VERIFY_LOG_END:
		return (struct words){ "log", "put the newest log-* directory back; or "
			                      "--rebuild-rows, which makes rows of "
			                      "what the log has if it begins at LSN 1 and the "
			                      "journal has all behind it; or " RESTORE };
	case VERIFY_ROWS:
		break;
	}
	if (journal)
		return (struct words){ "rows",
			"log and rows are whole by themselves; log, journal and rows are not of "
			"the same history: " RESTORE };
	if (found->first_lsn != 1)
		return (struct words){ "rows",
			"the log does not begin at LSN 1, so that they cannot be made anew from "
			"it: " RESTORE };
	return (struct words){ "rows",
		"--rebuild-rows makes them anew from the log's events; the journal was not looked "
		"at" };
}

int repair_part_tell(
    const struct options *options, uint32_t shard, const struct verify_found *found, int journal)
{
	struct words words = words_of(found, journal);

	if (options->json) {
		json_t *json = json_pack("{s:s, s:s, s:i, s:s, s:s, s:{s:I}, s:s}", "schema",
		    "sluice-db.repair-part/1", "state", "examined", "shard", (int)shard, "part",
		    words.part, "damage", found->damage.what, "place", "lsn",
		    (json_int_t)found->damage.lsn, "remedy", words.remedy);

		json_dumpf(json, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(json);
	}
	fprintf(stderr,
	    "sluice-db: shard %u: the %s %s damaged, LSN %" PRIu64
	    ": %s; nothing was done. Remedy: %s\n",
	    shard, words.part,
	    found->part == VERIFY_READING || found->part == VERIFY_INDEX ||
	            found->part == VERIFY_LOG_END
	        ? "is"
	        : "are",
	    found->damage.lsn, found->damage.what, words.remedy);
	return EXIT_MISMATCH;
}

int repair_exchange(const char *parent, const char *fresh, const char *aside, const char *current)
{
	int there = access(current, F_OK) == 0;
	int error = path_sync(fresh);

	if (error == 0 &&
	    renameat2(AT_FDCWD, fresh, AT_FDCWD, there ? aside : current, RENAME_NOREPLACE) != 0)
		error = -errno;
	if (error == 0)
		error = path_sync(parent);
	if (error != 0 || !there)
		return error;
	if (renameat2(AT_FDCWD, aside, AT_FDCWD, current, RENAME_EXCHANGE) == 0)
		return path_sync(parent);
	error = -errno;
	/* Nothing of a repair that was not done is called damaged. */
	(void)renameat2(AT_FDCWD, aside, AT_FDCWD, fresh, RENAME_NOREPLACE);
	return error;
}

void repair_when_make(
    char when[REPAIR_WHEN_SIZE], const char *path, const struct repair_name *names, unsigned count)
{
	time_t now = time(NULL), moment = now;
	int taken;

	do {
		struct tm utc;

		gmtime_r(&moment, &utc);
		(void)strftime(when, REPAIR_WHEN_SIZE, "%Y%m%dT%H%M%SZ", &utc);
		taken = 0;
		for (unsigned i = 0; i < count; i++) {
			char name[PATH_MAX + 64];

			snprintf(name, sizeof(name), "%s/%s%s%s", path, names[i].before, when,
			    names[i].behind);
			taken |= access(name, F_OK) == 0;
		}
		moment++;
	} while (taken && moment <= now + REPAIR_WHEN_AHEAD_S);
}
