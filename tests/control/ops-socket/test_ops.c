/* SPDX-License-Identifier: Apache-2.0 */
/* The server over a real socket. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/control/ops-socket/ops_bed.h"

TEST(a_verb_is_done_and_answered_in_order)
{
	struct ops_bed bed;
	struct stat status;
	int fd;

	ops_bed_start(&bed, NULL, 4);
	assert_int_equal(stat(bed.path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, SUSPEND(12),
	    "{\"ok\":true,\"schema\":\"market-suspend/1\",\"result\":{\"market\":12,"
	    "\"dry_run\":false");
	ops_bed_say(
	    fd, "{\"verb\":\"market suspend\",\"arguments\":{\"market\":1},\"dry_run\":true}");
	ops_bed_say(fd, "{\"verb\":\"status\",\"arguments\":{\"health\":true}}");
	ops_bed_expect(fd, NULL, "\"dry_run\":true");
	ops_bed_expect(fd, NULL, "{\"health\":true,\"role\":\"");
	ops_bed_expect(fd, SUSPEND(7), "\"object\":\"market 7\",\"action\":\"market suspend\"");
	assert_int_equal(ops_bed_noted_count, 0);
	close(fd);
	ops_bed_stop(&bed);
}

TEST(refusals_are_told_and_those_of_changes_audited)
{
	struct ops_bed bed;
	int fd;

	ops_bed_start(&bed, NULL, 4);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, SUSPEND(13),
	    "{\"ok\":false,\"error\":\"Market 13 is closed. Closed markets stay "
	    "so.\",\"status\":1}");
	assert_non_null(
	    strstr(ops_bed_noted, "|market suspend|market 13|refused: Market 13 is closed."));
	assert_int_equal(ops_bed_noted_count, 1);
	ops_bed_expect(fd,
	    "{\"verb\":\"market suspend\",\"arguments\":{\"market\":13},\"dry_run\":true}",
	    "\"ok\":false");
	ops_bed_expect(
	    fd, "{\"verb\":\"market show\",\"arguments\":{\"market\":13}}", "\"ok\":false");
	ops_bed_expect(fd, "{\"verb\":\"market suspend\",\"arguments\":{}}", "\"status\":2");
	assert_int_equal(ops_bed_noted_count, 1);
	/* What is missing is no refusal. */
	ops_bed_expect(fd, SUSPEND(16), "\"status\":3}");
	assert_non_null(strstr(ops_bed_noted, "|market 16|failed: The data plane is not there."));
	assert_int_equal(ops_bed_noted_count, 2);
	/* A broken handler is no success and has a sentence. */
	ops_bed_expect(fd, SUSPEND(14), "no reason given. Read the log.\",\"status\":1}");
	/* An audit log that cannot be written does not stop the answer. */
	ops_bed_note_result = -EIO;
	ops_bed_expect(fd, SUSPEND(13), "\"ok\":false");
	ops_bed_note_result = 0;
	close(fd);
	ops_bed_stop(&bed);
}

TEST(garbage_is_answered_and_the_connection_goes_on)
{
	struct ops_bed bed;
	int fd;

	ops_bed_start(&bed, NULL, 4);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, "\xff\xfe", "\"status\":2");
	ops_bed_expect(fd, "", "\"status\":2");
	ops_bed_expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	ops_bed_stop(&bed);
}

TEST(a_line_that_is_too_long_ends_the_connection)
{
	struct ops_bed bed;
	static char block[65536];
	char line[1024];
	int fd;

	memset(block, 'x', sizeof(block));
	ops_bed_start(&bed, NULL, 4);
	fd = ops_bed_connect(bed.path);
	for (size_t sent = 0; sent <= VERB_LINE_SIZE_MAX + 1;) {
		ssize_t wrote = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		if (wrote < 0)
			break;
		sent += (size_t)wrote;
	}
	ops_bed_expect(fd, NULL, "too long");
	assert_int_equal(ops_bed_hear(fd, line, sizeof(line)), 0);
	close(fd);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	ops_bed_stop(&bed);
}

TEST(a_long_line_within_the_limit_is_taken)
{
	struct ops_bed bed;
	char *line = malloc(VERB_LINE_SIZE_MAX);
	int fd;

	assert_non_null(line);
	memset(line, ' ', VERB_LINE_SIZE_MAX);
	memcpy(line, "{\"verb\":\"status\"}", 17);
	line[VERB_LINE_SIZE_MAX - 1] = '\0';
	ops_bed_start(&bed, NULL, 4);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, line, "\"ok\":true");
	close(fd);
	free(line);
	ops_bed_stop(&bed);
}

TEST(a_client_that_does_not_end_its_line_is_cut_off)
{
	struct ops_bed bed;
	char line[1024];
	int fd;

	ops_bed_start(&bed, NULL, 4);
	ops_stop(bed.ops);
	bed.ops_config.line_timeout_ms = 20;
	bed.ops_config.idle_timeout_ms = 20;
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, line, sizeof(line)), 0);
	fd = ops_bed_connect(bed.path);
	assert_int_equal(send(fd, "{\"ver", 5, 0), 5);
	ops_bed_expect(fd, NULL, "did not end in time");
	assert_int_equal(ops_bed_hear(fd, line, sizeof(line)), 0);
	close(fd);
	fd = ops_bed_connect(bed.path); /* says nothing at all */
	assert_int_equal(ops_bed_hear(fd, line, sizeof(line)), 0);
	close(fd);
	ops_bed_stop(&bed);
}

TEST(too_many_clients_are_turned_away_with_a_sentence)
{
	struct ops_bed bed;
	int fds[2], fd;

	ops_bed_start(&bed, NULL, 2);
	for (int i = 0; i < 2; i++) {
		fds[i] = ops_bed_connect(bed.path);
		ops_bed_expect(fds[i], "{\"verb\":\"status\"}", "\"ok\":true");
	}
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, NULL, "2 clients are connected already");
	close(fd);
	bed.config.access.clients_max = 3;
	ops_reload(bed.ops, &bed.config);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	/* A place is free again once its client has gone. */
	for (int round = 0; round < 20; round++) {
		fd = ops_bed_connect(bed.path);
		close(fd);
	}
	close(fds[0]);
	for (;;) {
		char line[1024] = "";

		fd = ops_bed_connect(bed.path);
		ops_bed_say(fd, "{\"verb\":\"status\"}");
		assert_int_equal(ops_bed_hear(fd, line, sizeof(line)), 1);
		close(fd);
		if (strstr(line, "\"ok\":true") != NULL)
			break;
	}
	close(fds[1]);
	ops_bed_stop(&bed);
}

static void *stop_run(void *ops)
{
	ops_stop(ops);
	return NULL;
}

TEST(a_stop_lets_a_running_verb_answer)
{
	struct ops_bed bed;
	pthread_t thread;
	char byte, line[1024];
	int fd, idle;

	assert_int_equal(pipe(ops_bed_gate), 0);
	assert_int_equal(pipe(ops_bed_entered), 0);
	ops_bed_start(&bed, NULL, 4);
	idle = ops_bed_connect(bed.path);
	fd = ops_bed_connect(bed.path);
	ops_bed_say(fd, SUSPEND(15));
	assert_int_equal(read(ops_bed_entered[0], &byte, 1), 1);
	assert_int_equal(pthread_create(&thread, NULL, stop_run, bed.ops), 0);
	assert_int_equal(ops_bed_hear(idle, line, sizeof(line)), 0); /* the stop has begun */
	assert_int_equal(write(ops_bed_gate[1], &byte, 1), 1);
	ops_bed_expect(fd, NULL, "\"market\":15");
	pthread_join(thread, NULL);
	bed.ops = NULL;
	close(fd);
	close(idle);
	ops_bed_stop(&bed);
}

TEST(a_path_longer_than_a_socket_name_works)
{
	char below[151];
	struct ops_bed bed;
	int fd;

	memset(below, 'd', sizeof(below) - 1);
	below[sizeof(below) - 1] = '\0';
	ops_bed_start(&bed, below, 4);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	ops_bed_stop(&bed);
}

TEST(a_dead_servers_socket_is_replaced_and_a_live_ones_not)
{
	struct ops_bed bed;
	struct ops *second = NULL;
	char message[512] = "";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	ops_bed_start(&bed, NULL, 4);
	assert_int_equal(
	    ops_start(&second, &bed.ops_config, message, sizeof(message)), -EADDRINUSE);
	assert_non_null(strstr(message, "Another sluice-control"));
	assert_null(second);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	ops_stop(bed.ops);

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", bed.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, message, sizeof(message)), 0);
	ops_stop(bed.ops);

	fd = open(bed.path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, message, sizeof(message)), -EEXIST);
	assert_int_equal(unlink(bed.path), 0);
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, message, sizeof(message)), 0);
	ops_bed_stop(&bed);
}

TEST_MAIN()
