/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each case runs in a process and a folder of its own, because a cut is for ever; the folder is
 * then looked at from outside.
 */
#include "tests/faults/unsynced.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#define SEEDS  60u
#define SECTOR 512
#define SIZE   (16 * SECTOR)

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static char folder[64];

/* Runs `body` against an empty folder and cuts the power with this seed. */
static void run(void (*body)(void), uint64_t seed)
{
	struct cut_report report;
	pid_t child;
	int status;

	snprintf(folder, sizeof(folder), "unsynced-XXXXXX");
	assert_non_null(mkdtemp(folder));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int backing = open(folder, O_RDONLY | O_DIRECTORY);

		CHECK(backing >= 0 && unsynced_begin(backing) == 0);
		body();
		CHECK(unsynced_cut(seed, &report) == 0);
		CHECK(unsynced_alive() == -EIO && unsynced_unlink("f") == -EIO);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void cleanup(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

static ssize_t content(const char *name, uint8_t *bytes, size_t size)
{
	char path[128];
	int fd;
	ssize_t got;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	got = read(fd, bytes, size);
	close(fd);
	return got;
}

static int create(const char *name)
{
	int fd = unsynced_create(name, O_RDWR, 0600);

	CHECK(fd >= 0);
	return fd;
}

static void fill(int fd, uint8_t byte, off_t offset, size_t size, uint64_t *ticket)
{
	uint8_t bytes[SIZE];

	memset(bytes, byte, size);
	CHECK(unsynced_write(fd, bytes, size, offset, ticket) == (int64_t)size);
}

static void sync_all(int fd)
{
	CHECK(unsynced_sync_end(fd, unsynced_sync_begin()) == 0);
	CHECK(unsynced_sync_directory_end("", unsynced_sync_begin()) == 0);
}

static void synced_then_not(void)
{
	uint64_t ticket;
	int fd = create("f");

	fill(fd, 1, 0, SIZE, &ticket);
	sync_all(fd);
	fill(fd, 2, 0, SIZE, &ticket);
	fill(fd, 3, 4 * SECTOR, 4 * SECTOR, &ticket);
}

TEST(each_sector_is_of_some_write_and_all_mixtures_come_up)
{
	unsigned seen[4] = { 0 }, torn = 0;

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		uint8_t bytes[SIZE + 1];
		int mixed = 0;

		run(synced_then_not, seed);
		assert_int_equal(content("f", bytes, sizeof(bytes)), SIZE);
		for (unsigned i = 0; i < SIZE; i++) {
			int inner = i >= 4 * SECTOR && i < 8 * SECTOR;

			assert_true(bytes[i] >= 1 && bytes[i] <= (inner ? 3 : 2));
			assert_int_equal(bytes[i], bytes[i / SECTOR * SECTOR]);
			seen[bytes[i]]++;
			mixed |= bytes[i] == 2 && bytes[0] == 1;
		}
		torn += (unsigned)mixed;
		cleanup();
	}
	assert_true(seen[1] > 0 && seen[2] > 0 && seen[3] > 0 && torn > 0);
}

static void durable_over_not(void)
{
	uint64_t ticket;
	int fd = create("f");

	fill(fd, 1, 0, SIZE, &ticket);
	sync_all(fd);
	fill(fd, 2, 0, SIZE, &ticket);
	fill(fd, 3, 0, 4 * SECTOR, &ticket); /* O_DSYNC: durable, the one before is not */
	CHECK(unsynced_durable(fd, ticket) == 0);
}

TEST(a_write_that_is_durable_stays_whatever_becomes_of_older_ones)
{
	unsigned older_lost = 0;

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		uint8_t bytes[SIZE + 1];

		run(durable_over_not, seed);
		assert_int_equal(content("f", bytes, sizeof(bytes)), SIZE);
		for (unsigned i = 0; i < 4 * SECTOR; i++)
			assert_int_equal(bytes[i], 3);
		older_lost += bytes[SIZE - 1] == 1;
		cleanup();
	}
	assert_true(older_lost > 0 && older_lost < SEEDS);
}

static void grown(void)
{
	uint64_t ticket;
	int fd = create("f");

	sync_all(fd);
	fill(fd, 1, 0, SIZE, &ticket);
	CHECK(unsynced_resize(fd, SECTOR) == 0);
	CHECK(unsynced_resize(fd, 8 * SECTOR) == 0);
}

TEST(lengths_are_lost_and_kept_too)
{
	unsigned sizes[SIZE / SECTOR + 1] = { 0 };

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		uint8_t bytes[SIZE + 1];
		ssize_t size;

		run(grown, seed);
		size = content("f", bytes, sizeof(bytes));
		assert_true(size >= 0 && size % SECTOR == 0 && size <= SIZE);
		sizes[size / SECTOR]++;
		cleanup();
	}
	assert_true(sizes[0] > 0 && sizes[1] > 0 && sizes[8] > 0 && sizes[16] > 0);
}

static void names(void)
{
	uint64_t ticket;
	int a = create("a"), b;

	fill(a, 1, 0, SECTOR, &ticket);
	sync_all(a);
	b = create("b");
	fill(b, 2, 0, SECTOR, &ticket);
	CHECK(unsynced_sync_end(b, unsynced_sync_begin()) == 0); /* not its name */
	CHECK(unsynced_rename("b", "a", 0) == 0);
	CHECK(unsynced_unlink("a") == 0);
}

/* Kept: nothing, the creation, the rename as well, the removal as well. */
TEST(names_are_lost_from_the_newest_on)
{
	unsigned seen[4] = { 0 };

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		uint8_t a[SECTOR] = { 0 }, b[SECTOR] = { 0 };
		ssize_t has_a, has_b;

		run(names, seed);
		has_a = content("a", a, sizeof(a));
		has_b = content("b", b, sizeof(b));
		if (has_a == SECTOR && a[0] == 1 && has_b < 0)
			seen[0]++;
		else if (has_a == SECTOR && a[0] == 1 && has_b == SECTOR && b[0] == 2)
			seen[1]++;
		else if (has_a == SECTOR && a[0] == 2 && has_b < 0)
			seen[2]++;
		else
			seen[3] += has_a < 0 && has_b < 0;
		cleanup();
	}
	assert_int_equal(seen[0] + seen[1] + seen[2] + seen[3], SEEDS);
	assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0 && seen[3] > 0);
}

static void folders(void)
{
	int fd;

	CHECK(unsynced_mkdir("d", 0700) == 0);
	fd = create("d/f");
	CHECK(unsynced_sync_end(fd, unsynced_sync_begin()) == 0);
	CHECK(unsynced_sync_directory_end("d", unsynced_sync_begin()) == 0);
}

TEST(a_folder_whose_parent_was_not_synced_may_go_with_all_that_is_in_it)
{
	unsigned lost = 0;

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		uint8_t byte;
		char path[128];
		struct stat status;
		int there;

		run(folders, seed);
		snprintf(path, sizeof(path), "%s/d", folder);
		there = stat(path, &status) == 0;
		assert_int_equal(content("d/f", &byte, 1), there ? 0 : -1);
		lost += (unsigned)!there;
		cleanup();
	}
	assert_true(lost > 0 && lost < SEEDS);
}

static void replaced_and_synced(void)
{
	uint64_t ticket;
	int fd = create("new");

	fill(create("old"), 1, 0, SECTOR, &ticket);
	fill(fd, 2, 0, SECTOR, &ticket);
	CHECK(unsynced_sync_end(fd, unsynced_sync_begin()) == 0);
	CHECK(unsynced_rename("new", "old", RENAME_NOREPLACE) == -EEXIST);
	CHECK(unsynced_rename("new", "old", 0) == 0);
	CHECK(unsynced_sync_directory_end("", unsynced_sync_begin()) == 0);
}

TEST(what_was_synced_stays_as_it_is)
{
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		uint8_t byte = 0;

		run(replaced_and_synced, seed);
		assert_int_equal(content("old", &byte, 1), 1);
		assert_int_equal(byte, 2);
		assert_int_equal(content("new", &byte, 1), -1);
		cleanup();
	}
}

TEST_MAIN()
