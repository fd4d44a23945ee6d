/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

#include "control/log/log.h"
#include "tests/test.h"

#define TEXT_SIZE 400000

/* Standard error of the process goes to a file between begin and end. */
struct capture {
	char path[64];
	int fd, saved;
};

static void capture_begin(struct capture *capture)
{
	memcpy(capture->path, "/tmp/sluice-log-XXXXXX", 23);
	capture->fd = mkstemp(capture->path);
	assert_true(capture->fd >= 0);
	unlink(capture->path);
	assert_int_equal(fcntl(capture->fd, F_SETFL, O_APPEND), 0);
	fflush(stderr);
	capture->saved = dup(STDERR_FILENO);
	assert_true(dup2(capture->fd, STDERR_FILENO) >= 0);
}

static const char *capture_end(struct capture *capture)
{
	static char text[TEXT_SIZE];
	ssize_t size;

	assert_true(dup2(capture->saved, STDERR_FILENO) >= 0);
	close(capture->saved);
	size = pread(capture->fd, text, sizeof(text) - 1, 0);
	assert_true(size >= 0 && size < TEXT_SIZE - 1);
	text[size] = '\0';
	close(capture->fd);
	return text;
}

/* Exactly one line, parsed. */
static json_t *one_line(const char *text)
{
	json_error_t error;
	json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (line == NULL)
		fail_msg("%s: %.200s", error.text, text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	return line;
}

static const char *member(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

TEST(a_line_has_its_fields_in_order)
{
	const struct log_ids ids = { .terminal = 7, .session = 1048577, .shard_plus_1 = 1 };
	struct capture capture;
	const char *text;
	int year, month, day, hour, minute, second, end = 0;
	long ns;

	capture_begin(&capture);
	errno = ERANGE;
	log_event(LOG_WARNING, "link", "connection_lost", &ids, "%s after %d s", "lost", 5);
	assert_int_equal(errno, ERANGE);
	text = capture_end(&capture);
	assert_int_equal(sscanf(text, "{\"time\":\"%4d-%2d-%2dT%2d:%2d:%2d.%9ldZ\"%n", &year,
	                     &month, &day, &hour, &minute, &second, &ns, &end),
	    7);
	assert_string_equal(text + end,
	    ",\"level\":\"warning\",\"component\":\"link\",\"event\":\"connection_lost\","
	    "\"terminal\":7,\"session\":1048577,\"shard\":0,\"message\":\"lost after 5 s\"}\n");
	assert_true(year >= 2024 && second <= 60 && ns < 1000000000);
	json_decref(one_line(text));
}

TEST(ids_that_are_zero_are_left_out)
{
	const struct log_ids all = { 1, 2, 3, UINT64_MAX, 64 };
	struct capture capture;
	const char *text;

	capture_begin(&capture);
	log_event(LOG_ERROR, "main", "x", NULL, "m");
	text = capture_end(&capture);
	assert_non_null(strstr(text, "\"event\":\"x\",\"message\":\"m\"}\n"));
	capture_begin(&capture);
	log_event(LOG_ERROR, "main", "x", &all, "m");
	text = capture_end(&capture);
	assert_non_null(strstr(text, "\"terminal\":1,\"account\":2,\"session\":3,"
	                             "\"command\":18446744073709551615,\"shard\":63,"));
}

TEST(the_level_can_change)
{
	struct capture capture;
	json_t *line;
	const char *text;

	capture_begin(&capture);
	log_event(LOG_DEBUG, "main", "hidden_by_default", NULL, "m");
	assert_string_equal(log_level_name(log_level_get()), "info");
	log_level_set(LOG_ERROR);
	assert_int_equal(log_level_get(), LOG_ERROR);
	log_event(LOG_WARNING, "main", "hidden", NULL, "m");
	log_level_set(LOG_DEBUG);
	log_event(LOG_DEBUG, "main", "shown", NULL, "m");
	log_level_set(LOG_INFO);
	text = capture_end(&capture);
	assert_null(strstr(text, "hidden"));
	line = one_line(text);
	assert_string_equal(member(line, "event"), "shown");
	json_decref(line);
	assert_int_equal(log_level_parse("debug"), LOG_DEBUG);
	assert_int_equal(log_level_parse("info"), LOG_INFO);
	assert_int_equal(log_level_parse("warning"), LOG_WARNING);
	assert_int_equal(log_level_parse("error"), LOG_ERROR);
	assert_int_equal(log_level_parse("Info"), -1);
	assert_int_equal(log_level_parse(""), -1);
}

TEST(any_message_is_one_line_of_good_json)
{
	static const struct {
		const char *message, *reads;
	} cases[] = {
		{ "say \"hi\" \\ there", "say \"hi\" \\ there" },
		{ "two\nlines\ttab\x01\x7f", "two\nlines\ttab\x01\x7f" },
		{ "경기가 시작", "경기가 시작" },
		{ "bad \xff byte", "bad \xef\xbf\xbd byte" },
		{ "half \xed\x95", "half \xef\xbf\xbd\xef\xbf\xbd" },
		{ "surrogate \xed\xa0\x80", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "overlong \xc0\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd" },
		{ "beyond \xf4\x90\x80\x80",
		    "beyond \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f\x8e\xb2", "\xf0\x9f\x8e\xb2" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct capture capture;
		json_t *line;

		capture_begin(&capture);
		log_event(LOG_INFO, "main", "e", NULL, "%s", cases[i].message);
		line = one_line(capture_end(&capture));
		assert_string_equal(member(line, "message"), cases[i].reads);
		json_decref(line);
	}
}

TEST(random_bytes_are_one_bounded_line)
{
	uint64_t random = test_seed();

	for (int run = 0; run < 300; run++) {
		static char message[8192];
		size_t size = test_random(&random) % sizeof(message);
		struct capture capture;
		const char *text;

		for (size_t i = 0; i < size; i++)
			message[i] = (char)(1 + test_random(&random) % (run % 3 == 0 ? 31 : 255));
		message[size] = '\0';
		capture_begin(&capture);
		log_event(LOG_INFO, message, message, NULL, "%s", message);
		text = capture_end(&capture);
		assert_true(strlen(text) <= 4096);
		json_decref(one_line(text));
	}
}

static void *writer(void *context)
{
	for (int i = 0; i < 200; i++)
		log_event(LOG_INFO, "main", context, NULL, "%0100d", i);
	return NULL;
}

TEST(lines_of_threads_do_not_mix)
{
	static char names[4][8] = { "a", "b", "c", "d" };
	pthread_t threads[4];
	struct capture capture;
	char *text, *end;
	int lines = 0;

	capture_begin(&capture);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (text = strdup(capture_end(&capture)), end = text; *end != '\0'; lines++) {
		char *line = end;
		json_t *object;

		end = strchr(end, '\n') + 1;
		object = json_loadb(line, (size_t)(end - line), 0, NULL);
		assert_non_null(object);
		json_decref(object);
	}
	assert_int_equal(lines, 800);
	free(text);
}

TEST_MAIN()
