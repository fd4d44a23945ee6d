/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that is too small for what is restored: wherever it ends, the text names the file, the
 * disk and the remedy, nothing is left, and with room the same command does it. */
#include <inttypes.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/sluice-db/bed.h"
#include "tests/sluice-db/control.h"

#define COMMANDS  1000000 /* more than the shards have done */
#define LINES     400
#define SIZE_MIN  (16u << 10)
#define SIZE_LAST (512u << 20)

/* A file system of so many bytes at `path`, seen by this process and its children alone. */
static int small_mount(const char *path, unsigned size)
{
	static int apart;
	char options[40];

	snprintf(options, sizeof(options), "size=%u", size);
	if (!apart &&
	    (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0))
		return 0;
	apart = 1;
	return mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

static void control_make(const struct bed *bed)
{
	static struct control_line lines[LINES];

	lines[0] = (struct control_line){ 1, CONTROL_TABLE_COMMAND, COMMANDS };
	for (unsigned i = 1; i < LINES; i++)
		lines[i] = (struct control_line){ 1, CONTROL_TABLE_AUDIT, i };
	control_write(bed->root, &(struct control_lines){ lines, LINES, 1, 1, 'x' });
}

/* 1: it was restored; 0: refused as a full disk is, and nothing of it is left. */
static int try_size(const struct bed *bed, unsigned size)
{
	char said[1024], path[160];
	int code;

	code = say_run(said, "backup restore '%s' '%s/root'", bed->backup, bed->restored);
	if (code == 0)
		return 1;
	if (code != 3 || strstr(said, "cannot be written: the disk is full (") == NULL ||
	    strstr(said, bed->restored) == NULL ||
	    strstr(said, "make room on it, or restore") == NULL)
		fail_msg("%u bytes: exit %d: %s", size, code, said);
	snprintf(path, sizeof(path), "%s/root/var/lib/sluice.restoring", bed->restored);
	assert_int_not_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/root/var/lib/sluice", bed->restored);
	assert_int_not_equal(access(path, F_OK), 0);
	return 0;
}

TEST(a_disk_too_small_is_told_wherever_it_ends)
{
	unsigned refused = 0, size;
	struct bed bed;
	int done = 0;

	bed_make(&bed, 5, 200);
	control_make(&bed);
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	assert_int_equal(mkdir(bed.restored, 0755), 0);
	for (size = SIZE_MIN; !done && size < SIZE_LAST; size += size / 16384 * 4096 + 4096) {
		if (!small_mount(bed.restored, size)) {
			bed_remove(&bed);
			skip();
		}
		done = try_size(&bed, size);
		refused += !done;
		assert_int_equal(umount(bed.restored), 0);
	}
	assert_true(done);
	assert_true(refused > 10);
	bed_remove(&bed);
}

TEST_MAIN()
