/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "dataplane/port/port.h"

TEST(more_hugepages_than_any_machine_has)
{
	char message[256] = "";
	int lock = -2;

	assert_int_equal(port_memory_await("sluice-none", 0, &lock, message, sizeof(message)), 0);
	assert_string_equal(message, "");
	assert_int_not_equal(lock, -2);
	if (lock >= 0)
		close(lock);
	lock = -2;
	assert_int_equal(
	    port_memory_await("sluice-none", 4000000000u, &lock, message, sizeof(message)),
	    -ENOMEM);
	assert_int_equal(lock, -2);
	assert_non_null(strstr(message, "4000000000 are needed"));
	assert_non_null(strstr(message, "vm.nr_hugepages="));
}

TEST(leftovers_of_this_prefix_alone_are_removed)
{
	static const struct {
		const char *name;
		int is_held, is_left;
	} cases[] = {
		{ "sluice-amap_0", 0, 0 },
		{ "sluice-amap_1", 1, 1 }, /* a living process */
		{ "sluice-amap_2", 0, 0 },
		{ "sluice-abmap_0", 0, 1 }, /* another prefix */
		{ "sluice-a", 0, 1 },
		{ "sluice-a_map_0", 0, 1 },
		{ "sluice-", 0, 1 },
		{ "xsluice-amap_0", 0, 1 },
	};
	char directory[] = "/tmp/sluice-memory-XXXXXX";
	char path[sizeof(cases) / sizeof(cases[0])][128];
	int held = -1;

	assert_non_null(mkdtemp(directory));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int file;

		snprintf(path[i], sizeof(path[i]), "%s/%s", directory, cases[i].name);
		file = open(path[i], O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		assert_true(file >= 0);
		if (cases[i].is_held) {
			assert_int_equal(flock(file, LOCK_SH), 0); /* as EAL does */
			held = file;
		} else {
			close(file);
		}
	}
	assert_int_equal(port_memory_leftovers_remove(directory, "sluice-a"), 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(access(path[i], F_OK) == 0, cases[i].is_left);
	close(held);
	assert_int_equal(port_memory_leftovers_remove(directory, "sluice-a"), 1);
	assert_int_equal(port_memory_leftovers_remove("/nonexistent/sluice", "sluice-a"), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		(void)unlink(path[i]);
	assert_int_equal(rmdir(directory), 0);
}

TEST_MAIN()
