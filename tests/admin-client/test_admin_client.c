/* SPDX-License-Identifier: Apache-2.0 */
/* The admin client against a socket whose other end says what the test wants. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"
#include "wire/admin/admin_client.h"

/* A client whose peer has written `answer`; the peer's end is closed when `close_peer`. */
static struct admin_client admin_with(const char *answer, int close_peer, int *peer)
{
	struct admin_client admin = { .fd = -1 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	admin.fd = pair[0];
	assert_int_equal(write(pair[1], answer, strlen(answer)), strlen(answer));
	*peer = pair[1];
	if (close_peer) {
		close(pair[1]);
		*peer = -1;
	}
	return admin;
}

TEST(answers_come_apart_at_line_ends)
{
	int peer;
	struct admin_client admin =
	    admin_with("{\"ok\":true,\"n\":1}\n{\"ok\":true,\"n\":2}\n", 1, &peer);
	json_t *answer;

	for (int n = 1; n <= 2; n++) {
		assert_int_equal(admin_client_receive(&admin, &answer), 0);
		assert_int_equal(json_integer_value(json_object_get(answer, "n")), n);
		json_decref(answer);
	}
	assert_int_equal(admin_client_receive(&admin, &answer), -ECONNRESET);
	assert_non_null(strstr(admin.message, "closed"));
	admin_client_close(&admin);
}

TEST(a_refusal_carries_the_sentence_of_the_data_plane)
{
	int peer;
	struct admin_client admin = admin_with(
	    "{\"ok\":false,\"error\":\"no such session; install it first\"}\n", 1, &peer);
	json_t *answer;

	assert_int_equal(admin_client_receive(&admin, &answer), -EPERM);
	assert_string_equal(admin.message, "no such session; install it first");
	admin_client_close(&admin);
}

TEST(what_is_not_an_object_is_a_protocol_error)
{
	static const char *const cases[] = { "[]\n", "ok\n", "\n", "{\"ok\":true\n", "3\n" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int peer;
		struct admin_client admin = admin_with(cases[i], 1, &peer);
		json_t *answer;

		assert_case_equal(i, admin_client_receive(&admin, &answer), -EPROTO);
		admin_client_close(&admin);
	}
}

TEST(a_long_answer_grows_the_buffer)
{
	enum { SIZE = 150000 };
	char *text = malloc(SIZE + 64);
	int peer;
	struct admin_client admin;
	json_t *answer;

	snprintf(text, SIZE + 64, "{\"ok\":true,\"text\":\"");
	memset(text + strlen(text), 'x', SIZE - strlen(text));
	snprintf(text + SIZE, 64, "\"}\n");
	admin = admin_with(text, 0, &peer);
	assert_int_equal(admin_client_receive(&admin, &answer), 0);
	assert_true(json_string_length(json_object_get(answer, "text")) > 140000);
	json_decref(answer);
	free(text);
	close(peer);
	admin_client_close(&admin);
}

TEST(a_request_is_one_line)
{
	char line[128] = "";
	int peer;
	struct admin_client admin = admin_with("", 0, &peer);

	assert_int_equal(admin_client_send(&admin, json_pack("{s:s}", "cmd", "status")), 0);
	assert_int_equal(read(peer, line, sizeof(line) - 1), 17);
	assert_string_equal(line, "{\"cmd\":\"status\"}\n");
	close(peer);
	admin_client_close(&admin);
}

TEST(status_takes_the_lowest_control_sequence)
{
	struct admin_client admin = { .fd = -1 };
	struct admin_client_status status;
	json_t *answer = json_loads(
	    "{\"boot_id\":\"18446744073709551615\",\"epoch\":7,\"shards\":["
	    "{\"control_sequence\":3},{\"control_sequence\":9},{\"control_sequence\":4}]}",
	    0, NULL);

	assert_int_equal(admin_client_status_parse(&admin, answer, &status), 0);
	assert_true(status.boot_id == UINT64_MAX);
	assert_int_equal(status.epoch, 7);
	assert_int_equal(status.control_sequence, 3);
	json_decref(answer);
}

TEST(status_without_a_member_is_refused_by_name)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "{}", "boot_id" },
		{ "{\"boot_id\":\"x\"}", "boot_id" },
		{ "{\"boot_id\":\"1\"}", "epoch" },
		{ "{\"boot_id\":\"1\",\"epoch\":70000}", "epoch" },
		{ "{\"boot_id\":\"1\",\"epoch\":1}", "shards" },
		{ "{\"boot_id\":\"1\",\"epoch\":1,\"shards\":[]}", "shards" },
		{ "{\"boot_id\":\"1\",\"epoch\":1,\"shards\":[{}]}", "control_sequence" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct admin_client admin = { .fd = -1 };
		struct admin_client_status status;
		json_t *answer = json_loads(cases[i].text, 0, NULL);

		assert_case_equal(i, admin_client_status_parse(&admin, answer, &status), -EPROTO);
		if (strstr(admin.message, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\"", i, admin.message);
		json_decref(answer);
	}
}

TEST(no_socket_names_the_path_and_what_to_do)
{
	struct admin_client admin;

	assert_int_equal(admin_client_open(&admin, "/nonexistent/admin.sock", 1), -ENOENT);
	assert_non_null(strstr(admin.message, "/nonexistent/admin.sock"));
	assert_non_null(strstr(admin.message, "--root"));
	admin_client_close(&admin);
}

TEST_MAIN()
