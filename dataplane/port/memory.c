/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hugepages for a start.
 *
 * A killed process leaves its page files behind, and the kernel gives back what io_uring had
 * registered of them only when its own worker has closed the ring: later than the process is gone.
 * EAL removes the files, asks for its pages in the same breath, and fails. Pages may also be
 * reserved by a mapping that has not touched them yet: free by one count, and not to be had.
 */
#include "dataplane/port/port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 10
/* The tools that reserve pages for an instance and give them back hold it too. */
#define LOCK_PATH "/run/lock/sluice-hugepages"

struct pages {
	uint64_t free, total, size_kib; /* free: and not reserved by a mapping */
};

/* Pages of the default size. 0, or -1 if the kernel does not say. */
static int pages_read(struct pages *pages)
{
	FILE *file = fopen("/proc/meminfo", "re");
	struct pages found = { .size_kib = 2048 };
	uint64_t value, reserved = 0;
	char line[128];

	if (file == NULL)
		return -1;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "HugePages_Free: %" SCNu64, &value) == 1)
			found.free = value;
		else if (sscanf(line, "HugePages_Rsvd: %" SCNu64, &value) == 1)
			reserved = value;
		else if (sscanf(line, "HugePages_Total: %" SCNu64, &value) == 1)
			found.total = value;
		else if (sscanf(line, "Hugepagesize: %" SCNu64, &value) == 1 && value != 0)
			found.size_kib = value;
	}
	fclose(file);
	found.free -= reserved < found.free ? reserved : found.free;
	*pages = found;
	return 0;
}

unsigned port_memory_leftovers_remove(const char *directory, const char *file_prefix)
{
	DIR *stream = opendir(directory);
	size_t length = strlen(file_prefix);
	struct dirent *entry;
	unsigned removed = 0;
	int file;

	if (stream == NULL)
		return 0;
	while ((entry = readdir(stream)) != NULL) {
		if (strncmp(entry->d_name, file_prefix, length) != 0 ||
		    strncmp(entry->d_name + length, "map_", 4) != 0)
			continue;
		file = openat(dirfd(stream), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (file < 0)
			continue;
		if (flock(file, LOCK_EX | LOCK_NB) == 0 &&
		    unlinkat(dirfd(stream), entry->d_name, 0) == 0)
			removed++;
		close(file);
	}
	closedir(stream);
	return removed;
}

static void leftovers_remove(const char *file_prefix)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent entry;
	char text[PATH_MAX];

	if (mounts == NULL)
		return;
	while (getmntent_r(mounts, &entry, text, sizeof(text)) != NULL)
		if (strcmp(entry.mnt_type, "hugetlbfs") == 0)
			(void)port_memory_leftovers_remove(entry.mnt_dir, file_prefix);
	endmntent(mounts);
}

int port_memory_await(
    const char *file_prefix, unsigned megabytes, int *lock, char *message, size_t message_size)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	int file = open(LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int is_mine = file < 0;
	struct pages pages;
	uint64_t wanted;

	leftovers_remove(file_prefix);
	for (unsigned waited_ms = 0;; waited_ms += STEP_MS) {
		is_mine = is_mine || flock(file, LOCK_EX | LOCK_NB) == 0;
		if (pages_read(&pages) != 0) /* nothing known: EAL will tell */
			pages = (struct pages){ UINT64_MAX, UINT64_MAX, 2048 };
		wanted = ((uint64_t)megabytes * 1024 + pages.size_kib - 1) / pages.size_kib;
		/* A lock that is held for that long by somebody keeps nobody from starting. */
		if (pages.free >= wanted && (is_mine || waited_ms >= PORT_MEMORY_WAIT_MS)) {
			*lock = file;
			return 0;
		}
		if (pages.total < wanted || waited_ms >= PORT_MEMORY_WAIT_MS)
			break;
		(void)nanosleep(&step, NULL);
	}
	if (file >= 0)
		close(file);
	snprintf(message, message_size,
	    "%" PRIu64 " MiB of hugepages are free, %u are needed; run `sysctl "
	    "vm.nr_hugepages=%" PRIu64 "` or start without hugepages",
	    pages.free * pages.size_kib / 1024, megabytes, pages.total - pages.free + wanted);
	return -ENOMEM;
}
