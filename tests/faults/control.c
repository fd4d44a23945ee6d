/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/control.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/faults/rules.h"
#include "tests/faults/unsynced.h"

#define LINE_SIZE 512

/* Figures only, so relaxed. */
static _Atomic uint64_t counters[CONTROL_COUNTERS];

void control_count(enum control_counter counter)
{
	atomic_fetch_add_explicit(&counters[counter], 1, memory_order_relaxed);
}

static uint64_t counted(enum control_counter counter)
{
	return atomic_load_explicit(&counters[counter], memory_order_relaxed);
}

static void answer_stat(char *answer)
{
	struct unsynced_count count;

	unsynced_counts(&count);
	snprintf(answer, LINE_SIZE,
	    "{\"ok\": true, \"writes\": %" PRIu64 ", \"writes_synced\": %" PRIu64
	    ", \"syncs\": %" PRIu64 ", \"hits\": %" PRIu64 ", \"unsynced_writes\": %" PRIu64
	    ", \"unsynced_bytes\": %" PRIu64 ", \"unsynced_names\": %" PRIu64 "}\n",
	    counted(CONTROL_WRITES), counted(CONTROL_WRITES_SYNCED), counted(CONTROL_SYNCS),
	    rules_hits(), count.writes, count.bytes, count.names);
}

static int answer_cut(const char *seed, char *answer)
{
	struct cut_report report;
	int result = unsynced_cut(strtoull(seed, NULL, 10), &report);

	rules_clear(); /* what was held finds the power off */
	snprintf(answer, LINE_SIZE,
	    "{\"ok\": true, \"writes_kept\": %" PRIu64 ", \"writes_torn\": %" PRIu64
	    ", \"writes_lost\": %" PRIu64 ", \"names_kept\": %" PRIu64 ", \"names_lost\": %" PRIu64
	    "}\n",
	    report.writes_kept, report.writes_torn, report.writes_lost, report.names_kept,
	    report.names_lost);
	return result;
}

static void answer_line(char *line, char *answer)
{
	int result = 0;

	line[strcspn(line, "\n")] = '\0';
	snprintf(answer, LINE_SIZE, "{\"ok\": true}\n");
	if (strncmp(line, "cut ", 4) == 0)
		result = answer_cut(line + 4, answer);
	else if (strncmp(line, "fault ", 6) == 0)
		result = rules_add(line + 6);
	else if (strcmp(line, "clear") == 0)
		rules_clear();
	else if (strcmp(line, "stat") == 0)
		answer_stat(answer);
	else
		result = -EINVAL;
	if (result != 0)
		snprintf(
		    answer, LINE_SIZE, "{\"ok\": false, \"error\": \"%s\"}\n", strerror(-result));
}

static void *listener(void *context)
{
	int socket_fd = *(int *)context, client;

	while ((client = accept4(socket_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		char line[LINE_SIZE] = "", answer[LINE_SIZE];
		ssize_t got = read(client, line, sizeof(line) - 1);

		if (got > 0) {
			answer_line(line, answer);
			if (write(client, answer, strlen(answer)) < 0)
				perror("faultfs: control");
		}
		close(client);
	}
	return NULL;
}

static int socket_make(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address->sun_path, path, strlen(path) + 1);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int control_start(const char *path)
{
	static int socket_fd;
	struct sockaddr_un address;
	pthread_t thread;

	unlink(path);
	socket_fd = socket_make(path, &address);
	if (socket_fd < 0 || bind(socket_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(socket_fd, 8) != 0)
		return -errno;
	errno = pthread_create(&thread, NULL, listener, &socket_fd);
	return -errno;
}

int control_ask(const char *path, char **words)
{
	char line[LINE_SIZE] = "";
	struct sockaddr_un address;
	int fd = socket_make(path, &address);
	size_t used = 0;
	ssize_t got = -1;

	for (char **word = words; *word != NULL && used < sizeof(line); word++)
		used += (size_t)snprintf(
		    line + used, sizeof(line) - used, "%s%s", *word, word[1] != NULL ? " " : "\n");
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    write(fd, line, strlen(line)) == (ssize_t)strlen(line))
		got = read(fd, line, sizeof(line) - 1);
	if (got <= 0) {
		fprintf(stderr, "faultfs: %s: %s\n", path, strerror(errno));
		return 3;
	}
	line[got] = '\0';
	fputs(line, stdout);
	return strncmp(line, "{\"ok\": true", 11) == 0 ? 0 : 1;
}
