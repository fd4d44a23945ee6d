/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"

#define PROBE_WRITE_SIZE  (16u * 1024u)
#define PROBE_FILE_SIZE   (32u * 1024u * 1024u)
#define PROBE_CHUNK_SIZE  (1024u * 1024u)
#define PROBE_WRITES_MAX  2000u
#define PROBE_TIME_MAX_NS 1000000000ull

static void file_system_name(const struct statfs *status, char out[32])
{
	static const struct {
		long magic;
		const char *name;
	} known[] = {
		{ EXT4_SUPER_MAGIC, "ext4" },
		{ 0x58465342, "xfs" },
		{ 0x9123683e, "btrfs" },
		{ TMPFS_MAGIC, "tmpfs" },
		{ RAMFS_MAGIC, "ramfs" },
		{ OVERLAYFS_SUPER_MAGIC, "overlay" },
		{ 0x65735546, "fuse" },
	};

	snprintf(out, 32, "0x%lx", (unsigned long)status->f_type);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(known); i++)
		if ((long)status->f_type == known[i].magic)
			snprintf(out, 32, "%s", known[i].name);
}

/* The whole disk's name behind a device number, or empty. */
static void device_name(dev_t number, char out[64])
{
	char link[64], target[PATH_MAX], *name;
	ssize_t length;

	out[0] = '\0';
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(number), minor(number));
	length = readlink(link, target, sizeof(target) - 1);
	if (length <= 0)
		return;
	target[length] = '\0';
	name = strrchr(target, '/');
	name = name != NULL ? name + 1 : target;
	/* A partition's folder lies in its disk's: ".../block/vda/vda1". */
	if (name > target + 1) {
		char partition[PATH_MAX];

		snprintf(partition, sizeof(partition), "/sys/dev/block/%u:%u/partition",
		    major(number), minor(number));
		if (access(partition, F_OK) == 0) {
			name[-1] = '\0';
			name = strrchr(target, '/');
			name = name != NULL ? name + 1 : target;
		}
	}
	/* A name that long is no disk's. */
	snprintf(out, 64, "%.63s", strlen(name) < 64 ? name : "");
}

/* Field 5 of /sys/block/NAME/stat is writes, field 16 flushes (Documentation/block/stat.rst). */
static void device_counters(struct probe_disk *disk)
{
	unsigned long long field[17] = { 0 };
	char path[128];
	FILE *file;
	int count = 0;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk->device);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	while (count < 17 && fscanf(file, "%llu", &field[count]) == 1)
		count++;
	fclose(file);
	disk->writes = count > 4 ? field[4] : 0;
	disk->has_flush_count = count > 15;
	disk->flushes = count > 15 ? field[15] : 0;
}

/* First line of /sys/block/NAME/queue/ATTRIBUTE, or empty. */
static void device_attribute(const char *device, const char *attribute, char out[32])
{
	char path[128], line[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", device, attribute);
	file = fopen(path, "re");
	if (file != NULL) {
		if (fgets(line, sizeof(line), file) != NULL)
			line[strcspn(line, "\n")] = '\0';
		fclose(file);
	}
	memcpy(out, line, sizeof(line));
}

static void device_cache(struct probe_disk *disk)
{
	char fua[32];

	device_attribute(disk->device, "write_cache", disk->write_cache);
	device_attribute(disk->device, "fua", fua);
	disk->fua = strcmp(fua, "1") == 0;
}

int probe_disk_must_flush(const struct probe_disk *disk)
{
	return strcmp(disk->write_cache, "write back") == 0 && !disk->fua;
}

int probe_disk_read(
    const char *directory, struct probe_disk *disk, char message[PROBE_MESSAGE_SIZE])
{
	static const char *const volatile_devices[] = { "ram", "zram", "loop", "brd", "nbd" };
	struct statfs file_system;
	struct stat status;
	int error;

	if (statfs(directory, &file_system) != 0 || stat(directory, &status) != 0) {
		error = -errno;
		snprintf(message, PROBE_MESSAGE_SIZE,
		    "Cannot look at %s: %s. Give the journal's folder with --disk.", directory,
		    strerror(-error));
		return error;
	}
	memset(disk, 0, sizeof(*disk));
	file_system_name(&file_system, disk->file_system);
	device_name(status.st_dev, disk->device);
	if ((long)file_system.f_type == TMPFS_MAGIC || (long)file_system.f_type == RAMFS_MAGIC)
		snprintf(disk->refusal, sizeof(disk->refusal), "%s is memory", disk->file_system);
	else if (disk->device[0] == '\0')
		snprintf(disk->refusal, sizeof(disk->refusal), "no block device is known below %s",
		    disk->file_system);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(volatile_devices); i++)
		if (strncmp(disk->device, volatile_devices[i], strlen(volatile_devices[i])) == 0)
			snprintf(disk->refusal, sizeof(disk->refusal),
			    "%s is a ram disk, loop or network device", disk->device);
	if (disk->device[0] != '\0') {
		device_counters(disk);
		device_cache(disk);
	}
	return 0;
}

static uint64_t probe_clock_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static int probe_fill(int fd, const uint8_t *buffer)
{
	for (off_t offset = 0; offset < PROBE_FILE_SIZE; offset += PROBE_CHUNK_SIZE)
		if (pwrite(fd, buffer, PROBE_CHUNK_SIZE, offset) != PROBE_CHUNK_SIZE)
			return errno != 0 ? -errno : -EIO;
	return fsync(fd) == 0 ? 0 : -errno;
}

static int probe_loop(
    int fd, const uint8_t *buffer, struct histogram *histogram, struct probe_write *result)
{
	uint64_t start_ns = probe_clock_ns(), now_ns = start_ns;
	uint32_t writes;

	for (writes = 0; writes < PROBE_WRITES_MAX && now_ns - start_ns < PROBE_TIME_MAX_NS;
	     writes++) {
		off_t offset = (off_t)((uint64_t)writes * PROBE_WRITE_SIZE % PROBE_FILE_SIZE);
		uint64_t before_ns = now_ns;

		if (pwrite(fd, buffer, PROBE_WRITE_SIZE, offset) != PROBE_WRITE_SIZE)
			return errno != 0 ? -errno : -EIO;
		now_ns = probe_clock_ns();
		histogram_record(histogram, now_ns - before_ns);
	}
	*result = (struct probe_write){ histogram_quantile(histogram, 1, 2),
		histogram_quantile(histogram, 99, 100), histogram->max, writes };
	return 0;
}

int probe_write_measure(
    const char *directory, struct probe_write *result, char message[PROBE_MESSAGE_SIZE])
{
	struct histogram *histogram = calloc(1, sizeof(*histogram));
	uint8_t *buffer = aligned_alloc(4096, PROBE_CHUNK_SIZE);
	char path[PATH_MAX];
	int fd = -1, error = -ENOMEM;

	snprintf(path, sizeof(path), "%s/.sluice-bench-probe-%d", directory, (int)getpid());
	if (buffer == NULL || histogram == NULL)
		goto out;
	memset(buffer, 0x5a, PROBE_CHUNK_SIZE);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_DSYNC | O_CLOEXEC, 0600);
	error = fd < 0 ? -errno : 0;
	if (error == 0)
		error = probe_fill(fd, buffer);
	if (error == 0)
		error = probe_loop(fd, buffer, histogram, result);
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
out:
	if (error != 0)
		snprintf(message, PROBE_MESSAGE_SIZE,
		    "Cannot measure a synced write in %s: %s. Give a folder on the journal's disk "
		    "with --disk.",
		    directory, strerror(-error));
	free(buffer);
	free(histogram);
	return error;
}

/* The open(2) flags of a descriptor, from /proc; 0 when it is gone. */
static unsigned descriptor_flags(int pid, const char *name)
{
	char path[PATH_MAX], line[128];
	unsigned flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	fclose(file);
	return flags;
}

/* 1 for a journal segment below the folder. The kernel adds a word to the name of a removed one. */
static int path_is_segment(const char *path, const char *directory)
{
	size_t length = strlen(path), folder = strlen(directory);

	return strncmp(path, directory, folder) == 0 && path[folder] == '/' &&
	       strcmp(path + length - 4, ".seg") == 0;
}

int probe_direct_files(int pid, const char *directory, unsigned *files, unsigned *direct)
{
	char path[PATH_MAX], target[PATH_MAX], *real = realpath(directory, NULL);
	struct dirent *entry;
	unsigned found = 0, found_direct = 0;
	DIR *descriptors;
	int error = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	descriptors = opendir(path);
	if (real == NULL || descriptors == NULL) {
		error = -errno;
		goto out;
	}
	while ((entry = readdir(descriptors)) != NULL) {
		ssize_t size =
		    readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target) - 1);
		unsigned flags;

		if (size < 4)
			continue;
		target[size] = '\0';
		if (!path_is_segment(target, real))
			continue;
		flags = descriptor_flags(pid, entry->d_name);
		if ((flags & O_ACCMODE) == O_RDONLY)
			continue;
		found++;
		found_direct += (flags & O_DIRECT) != 0;
	}
	*files = found;
	*direct = found_direct;
out:
	if (descriptors != NULL)
		closedir(descriptors);
	free(real);
	return error;
}
