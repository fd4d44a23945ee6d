/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/test.h"
#include "wire/client/session_file.h"

#define ROOT                                                                                       \
	"000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"                         \
	"202122232425262728292a2b2c2d2e2f"

static const struct {
	const char *line;
	int rc;
} lines[] = {
	{ "", 0 },
	{ "   ", 0 },
	{ "# comment", 0 },
	{ "7340037 12 f " ROOT, 1 },
	{ "  7340037\t12  0xf " ROOT "  # lab", 1 },
	{ "7340037 12 f " ROOT "\r", 1 },
	{ "7340037 12 f", -EBADMSG },
	{ "7340037 12", -EBADMSG },
	{ "7340037", -EBADMSG },
	{ "7340037 12 f 00", -EBADMSG },
	{ "7340037 12 f " ROOT "00", -EBADMSG },
	{ "0 12 f " ROOT, -EBADMSG }, /* found by fuzz_files: 0 means any */
	{ "7340037 0 f " ROOT, -EBADMSG },
	{ "-1 12 f " ROOT, -EBADMSG },
	{ "4294967296 12 f " ROOT, -EBADMSG },
	{ "7340037 4294967296 f " ROOT, -EBADMSG },
	{ "7340037 12 100000000 " ROOT, -EBADMSG },
	{ "7340037 12 g " ROOT, -EBADMSG },
	{ "7340037,12,f " ROOT, -EBADMSG },
};

TEST(each_kind_of_line)
{
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(lines); i++) {
		struct session_record record;

		memset(&record, 0xee, sizeof(record));
		assert_case_equal(i, session_file_parse(lines[i].line, &record), lines[i].rc);
		if (lines[i].rc != 1) {
			assert_case_equal(i, record.session_id, 0xeeeeeeee);
			continue;
		}
		assert_case_equal(i, record.session_id, 7340037);
		assert_case_equal(i, record.terminal_id, 12);
		assert_case_equal(i, record.rights, 15);
		for (int k = 0; k < KEYS_ROOT_SIZE; k++)
			assert_case_equal(i, record.root[k], k);
	}
}

TEST(a_session_is_found_by_session_or_terminal_and_only_in_a_private_file)
{
	static const char text[] =
	    "# sessions\n1 10 f " ROOT "\n2 20 1 " ROOT "\n3 20 3 " ROOT "\n";
	char path[] = "/tmp/sluice-test-XXXXXX";
	struct session_record record;
	unsigned line = 0;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(session_file_find(path, 3, 0, &record, &line), 0);
	assert_int_equal(record.rights, 3);
	assert_int_equal(session_file_find(path, 0, 20, &record, &line), 0);
	assert_int_equal(record.session_id, 2);
	assert_int_equal(session_file_find(path, 1, 20, &record, &line), -ESRCH);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(session_file_find(path, 1, 0, &record, &line), -EPERM);
	assert_int_equal(fchmod(fd, 0604), 0);
	assert_int_equal(session_file_find(path, 1, 0, &record, &line), -EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(write(fd, "broken\n", 7), 7);
	assert_int_equal(session_file_find(path, 9, 0, &record, &line), -EBADMSG);
	assert_int_equal(line, 5);
	close(fd);
	unlink(path);
	assert_int_equal(session_file_find(path, 1, 0, &record, &line), -ENOENT);
}

TEST_MAIN()
