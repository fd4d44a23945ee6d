/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/control/ops-socket/ops_bed.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/log/log.h"
#include "control/ops-socket/ops_internal.h"

#define ANSWER_WAIT_MS 20000

/* ---- in place of the modules around it ---- */

static pthread_mutex_t noted_mutex = PTHREAD_MUTEX_INITIALIZER;
char ops_bed_noted[1024];
unsigned ops_bed_noted_count;
int ops_bed_note_result;

int audit_note(struct database *database, const struct audit_entry *entry)
{
	(void)database;
	pthread_mutex_lock(&noted_mutex);
	snprintf(ops_bed_noted, sizeof(ops_bed_noted), "%s|%s|%s|%s", entry->user, entry->action,
	    entry->object, entry->outcome);
	ops_bed_noted_count++;
	pthread_mutex_unlock(&noted_mutex);
	return ops_bed_note_result;
}

void log_event(enum log_level level, const char *component, const char *event,
    const struct log_ids *ids, const char *format, ...)
{
	(void)level;
	(void)component;
	(void)event;
	(void)ids;
	(void)format;
}

int ops_bed_gate[2];
int ops_bed_entered[2];

static int handle_market(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	int64_t market = ops_number(request, "market", -1);

	(void)context;
	if (market == 13) {
		snprintf(message, message_size, "Market 13 is closed. Closed markets stay so.");
		return 1;
	}
	if (market == 14)
		return 77; /* a handler's bug */
	if (market == 16) {
		snprintf(message, message_size, "The data plane is not there.");
		return 3;
	}
	if (market == 15) {
		char byte = 0;

		assert_int_equal(write(ops_bed_entered[1], &byte, 1), 1);
		assert_int_equal(read(ops_bed_gate[0], &byte, 1), 1);
	}
	*result = json_pack("{s:I, s:b, s:s, s:s, s:s}", "market", (json_int_t)market, "dry_run",
	    request->dry_run, "user", request->audit.user, "object", request->audit.object,
	    "action", request->audit.action);
	return 0;
}

static int handle_status(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	(void)message;
	(void)message_size;
	assert_ptr_equal(context, &ops_bed_noted_count);
	*result = json_pack("{s:b, s:s}", "health", ops_switch(request, "health"), "role",
	    verb_role_name(request->caller->role));
	return 0;
}

void ops_bed_start(struct ops_bed *bed, const char *below, unsigned clients_max)
{
	char message[512] = "";

	*bed = (struct ops_bed){ .folder = "/tmp/sluice-ops-XXXXXX" };
	assert_non_null(mkdtemp(bed->folder));
	assert_int_equal(chmod(bed->folder, 0755), 0);
	if (below != NULL) {
		snprintf(bed->path, sizeof(bed->path), "%s/%s", bed->folder, below);
		assert_int_equal(mkdir(bed->path, 0755), 0);
	}
	snprintf(bed->path, sizeof(bed->path), "%s%s%s/control.sock", bed->folder,
	    below != NULL ? "/" : "", below != NULL ? below : "");
	bed->config.access.clients_max = clients_max;
	assert_true(verb_count() <= 128);
	bed->handlers[verb_index(verb_find("market suspend"))] = handle_market;
	bed->handlers[verb_index(verb_find("market show"))] = handle_market;
	bed->handlers[verb_index(verb_find("status"))] = handle_status;
	bed->ops_config = (struct ops_config){ .path = bed->path,
		.config = &bed->config,
		.handlers = bed->handlers,
		.context = &ops_bed_noted_count,
		.line_timeout_ms = 5000 };
	if (ops_start(&bed->ops, &bed->ops_config, message, sizeof(message)) != 0)
		fail_msg("%s", message);
	ops_bed_noted[0] = '\0';
	ops_bed_noted_count = 0;
}

void ops_bed_stop(struct ops_bed *bed)
{
	char command[512];

	ops_stop(bed->ops);
	assert_int_equal(access(bed->path, F_OK), -1);
	snprintf(command, sizeof(command), "rm -r '%s'", bed->folder);
	assert_int_equal(system(command), 0);
}

int ops_bed_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), folder, result;
	char short_path[4096];

	snprintf(short_path, sizeof(short_path), "%.*s", (int)(strrchr(path, '/') - path), path);
	folder = open(short_path, O_PATH | O_CLOEXEC);
	snprintf(
	    address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control.sock", folder);
	result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(folder);
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

void ops_bed_say(int fd, const char *line)
{
	(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
	(void)!send(fd, "\n", 1, MSG_NOSIGNAL);
}

int ops_bed_hear(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&poll_fd, 1, ANSWER_WAIT_MS) != 1)
			return -1;
		got = recv(fd, line + used, 1, 0);
		if (got <= 0)
			return 0;
		if (line[used] == '\n')
			break;
		used++;
	}
	line[used] = '\0';
	return 1;
}

void ops_bed_expect(int fd, const char *request, const char *answer_has)
{
	char line[4096] = "";

	if (request != NULL)
		ops_bed_say(fd, request);
	assert_int_equal(ops_bed_hear(fd, line, sizeof(line)), 1);
	if (strstr(line, answer_has) == NULL)
		fail_msg("%s\nanswered %s\nwithout %s", request, line, answer_has);
}
