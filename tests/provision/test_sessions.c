/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/test.h"
#include "tools/sluice-provision/sessions.h"
#include "wire/messages.h"

#define ROOT                                                                                       \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b" \
	"2c2d2eFF"

static char directory[] = "/tmp/sluice-sessions-XXXXXX";
static char path[64];

static void fresh_path(void)
{
	if (path[0] == '\0') {
		assert_non_null(mkdtemp(directory));
		snprintf(path, sizeof(path), "%s/s", directory);
	}
	unlink(path);
}

static int load_text(const char *text, mode_t mode, struct session_list *list, char *message)
{
	FILE *file;

	fresh_path();
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
	return sessions_load(path, list, message, 512);
}

TEST(what_is_made_loads_again)
{
	struct session_list list;
	struct stat status;
	char message[512];

	fresh_path();
	assert_int_equal(sessions_make(path, 1000, 3000, RIGHT_ALL, message, sizeof(message)), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(sessions_load(path, &list, message, sizeof(message)), 0);
	assert_int_equal(list.count, 3000);
	for (size_t i = 0; i < list.count; i++) {
		assert_int_equal(list.entries[i].session_id, (i + 1) | 1u << 20);
		assert_int_equal(list.entries[i].terminal_id, 1000 + i);
		assert_int_equal(list.entries[i].rights, RIGHT_ALL);
		assert_false(bytes_all_zero(list.entries[i].root, KEYS_ROOT_SIZE));
	}
	assert_memory_not_equal(list.entries[0].root, list.entries[1].root, KEYS_ROOT_SIZE);
	sessions_free(&list);
}

TEST(an_existing_file_is_never_overwritten)
{
	char message[512];

	fresh_path();
	assert_int_equal(sessions_make(path, 1, 1, 0, message, sizeof(message)), 0);
	assert_int_equal(sessions_make(path, 1, 1, 0, message, sizeof(message)), -EEXIST);
}

TEST(counts_and_ids_out_of_range_are_refused)
{
	char message[512];

	fresh_path();
	assert_int_equal(sessions_make(path, 1, 0, 0, message, sizeof(message)), -EINVAL);
	assert_int_equal(sessions_make(path, 0, 1, 0, message, sizeof(message)), -EINVAL);
	assert_int_equal(
	    sessions_make(path, 1, LIMIT_SESSION_SLOTS, 0, message, sizeof(message)), -EINVAL);
	assert_int_equal(
	    sessions_make(path, LIMIT_TERMINAL_ID_MAX, 2, 0, message, sizeof(message)), -EINVAL);
	assert_int_equal(access(path, F_OK), -1);
}

TEST(a_line_is_read_exactly)
{
	struct session_list list;
	char message[512];

	assert_int_equal(
	    load_text("# comment\n\n1048577 42 b " ROOT "\n", 0600, &list, message), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.entries[0].rights, 0xb);
	assert_int_equal(list.entries[0].root[1], 1);
	assert_int_equal(list.entries[0].root[47], 0xff);
	sessions_free(&list);
}

TEST(bad_files_are_refused_with_their_line)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "holds no session" },
		{ "1048577 42 f\n", ":1: not" },
		{ "1048577 42 f " ROOT "00\n", "not `" },
		{ "1048577 42 f 0001\n", "96 hex digits" },
		{ "# x\n1048576 42 f " ROOT "\n", ":2: session id has slot 0" },
		{ "1 42 f " ROOT "\n", "generation 0" },
		{ "1048577 0 f " ROOT "\n", "terminal id" },
		{ "1048577 42 f " ROOT " more\n", "not `" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session_list list = { 0 };
		char message[512] = "";

		assert_case_equal(i, load_text(cases[i].text, 0600, &list, message), -EINVAL);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\"", i, message);
	}
}

TEST(a_file_others_can_read_is_refused)
{
	struct session_list list;
	char message[512];

	assert_int_equal(load_text("1048577 42 f " ROOT "\n", 0644, &list, message), -EACCES);
	assert_non_null(strstr(message, "chmod 600"));
	unlink(path);
	rmdir(directory);
}

TEST_MAIN()
