/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/admin/admin.h"

#include "dataplane/admin/admin_job.h"
#include "dataplane/admin/admin_peer.h"
#include "dataplane/admin/admin_sample.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct admin {
	struct admin_context context;
	int listener; /* -1: closed */
	char path[108];
	struct admin_peer clients[ADMIN_CLIENTS_MAX];
	struct admin_jobs jobs;
	struct admin_samples samples;
};

json_t *admin_kind(json_t *error, const char *kind)
{
	if (error != NULL)
		(void)json_object_set_new(error, "kind", json_string(kind));
	return error;
}

json_t *admin_error(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return json_pack("{s:b, s:s}", "ok", 0, "error", text);
}

static int listener_open(const char *path, char *message, size_t message_size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	/* The caller holds the instance lock, so a socket left here belongs to a dead process. */
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || chmod(path, 0600) != 0 ||
	    listen(fd, ADMIN_CLIENTS_MAX) != 0) {
		error = errno;
		snprintf(message, message_size,
		    "admin socket %s: %s; check that the directory exists and is writable", path,
		    strerror(error));
		close(fd);
		return -error;
	}
	return fd;
}

int admin_create(struct admin **out, const struct admin_context *context, const char *path,
    char *message, size_t message_size)
{
	struct admin *admin;
	int fd;

	if (strlen(path) >= sizeof(admin->path)) {
		snprintf(message, message_size,
		    "admin socket %s: path longer than 107 bytes; choose a shorter root", path);
		return -ENAMETOOLONG;
	}
	admin = calloc(1, sizeof(*admin));
	if (admin == NULL)
		return -ENOMEM;
	fd = listener_open(path, message, message_size);
	if (fd < 0) {
		free(admin);
		return fd;
	}
	admin->context = *context;
	admin->context.samples = &admin->samples;
	admin->jobs.context = &admin->context;
	admin->listener = fd;
	snprintf(admin->path, sizeof(admin->path), "%s", path);
	for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++)
		admin->clients[i].fd = -1;
	*out = admin;
	return 0;
}

static void client_accept(struct admin *admin)
{
	static const char full[] = "{\"ok\":false,\"error\":\"all places of the admin socket are "
	                           "taken; close another connection\"}\n";
	int fd = accept4(admin->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		struct admin_peer *client = &admin->clients[i];

		if (client->fd >= 0)
			continue;
		memset(client, 0, sizeof(*client));
		client->in = malloc(ADMIN_LINE_SIZE_MAX);
		client->out = malloc(ADMIN_OUT_SIZE_MAX);
		client->fd = fd;
		if (client->in == NULL || client->out == NULL)
			admin_peer_close(client);
		return;
	}
	(void)send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* The number a numbered command carries. */
static uint64_t command_sequence(const struct shard_command *command)
{
	return command->kind == SHARD_LEDGER ? command->ledger.control_sequence
	                                     : command->accounts.control_sequence;
}

/*
 * A crash can leave shards at different numbers. Then only the lowest one's next number is let
 * through, for its sender to repeat what it sent under it: a higher one would be done on some
 * shards and leave a gap on others. NULL, or the refusal.
 */
static json_t *sequence_refusal(const struct admin *admin, const struct shard_command *command)
{
	uint64_t lowest = UINT64_MAX, highest = 0, sequence = command_sequence(command);

	for (uint32_t i = 0; i < admin->context.shared->shard_count; i++) {
		uint64_t last = stats_get(&admin->context.workers[i]->stats.control_sequence);

		if (last < lowest)
			lowest = last;
		if (last > highest)
			highest = last;
	}
	if (sequence <= lowest + 1)
		return NULL;
	if (lowest == highest)
		return admin_kind(
		    admin_error("the command sequence has a gap; the next number is %llu",
		        (unsigned long long)lowest + 1),
		    "gap");
	return admin_kind(
	    admin_error("the shards are at commands %llu to %llu; send command %llu again first",
	        (unsigned long long)lowest, (unsigned long long)highest,
	        (unsigned long long)lowest + 1),
	    "gap");
}

/* Works on the first whole line in the buffer. 1 when one was taken. */
static int client_line(struct admin *admin, struct admin_peer *client)
{
	struct admin_request request;
	json_t *answer = NULL;
	char *end;
	size_t size;
	int started;

	/* One answer at a time in `out`: it has room for the longest. */
	if (client->fd < 0 || client->job != NULL || client->in_size == 0 || client->out_size != 0)
		return 0;
	end = memchr(client->in, '\n', client->in_size);
	if (end == NULL) {
		if (client->in_size == ADMIN_LINE_SIZE_MAX)
			admin_peer_close(client); /* no line is that long */
		return 0;
	}
	size = (size_t)(end - client->in);
	admin_parse(&admin->context, client->in, size, &request, &answer);
	if (request.kind == ADMIN_ALL_SHARDS && request.command.kind != SHARD_QUERY &&
	    request.command.check == SHARD_DO) {
		answer = sequence_refusal(admin, &request.command);
		if (answer != NULL)
			request.kind = ADMIN_ANSWER;
	}
	started = request.kind == ADMIN_ANSWER || admin_job_start(&admin->jobs, client, &request);
	explicit_bzero(&request.command, sizeof(request.command)); /* it may hold keys */
	if (!started)
		return 0; /* no room on the way: the line stays and is tried again */
	memmove(client->in, end + 1, client->in_size - size - 1);
	explicit_bzero(client->in + client->in_size - size - 1, size + 1);
	client->in_size -= (uint32_t)size + 1;
	if (request.kind == ADMIN_ANSWER)
		admin_peer_answer(client, answer);
	return 1;
}

static void samples_take(struct admin *admin)
{
	uint64_t now_ns = admin_clock_ns(CLOCK_MONOTONIC);

	for (uint32_t i = 0; i < admin->context.shared->shard_count; i++) {
		const struct worker_stats *stats = &admin->context.workers[i]->stats;
		struct store_status store;

		store_status(admin->context.stores[i], &store);
		admin_lag_see(&admin->samples.store_lag[i], now_ns, stats_get(&stats->durable_lsn),
		    store.committed_lsn);
		admin_share_see(&admin->samples.busy[i], now_ns, stats_get(&stats->busy_ns));
	}
}

void admin_work(struct admin *admin, int timeout_ms)
{
	struct pollfd fds[ADMIN_CLIENTS_MAX + 1];
	struct admin_peer *polled[ADMIN_CLIENTS_MAX];
	struct timespec wait;
	nfds_t count = 1;
	int waiting = admin->jobs.running != 0;

	fds[0] = (struct pollfd){ .fd = admin->listener, .events = POLLIN };
	for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		struct admin_peer *client = &admin->clients[i];

		waiting |= admin_peer_has_line(client);
		if (client->fd < 0)
			continue;
		polled[count - 1] = client;
		fds[count++] = admin_peer_poll(client);
	}
	/*
	 * A result is a disk write away. The wait must block: this CPU may be the one that
	 * completes that write, and a loop of sched_yield keeps the kernel's worker off it for
	 * seconds.
	 */
	wait = waiting ? (struct timespec){ 0, ADMIN_RESULT_WAIT_NS }
	               : (struct timespec){ timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	if (ppoll(fds, count, &wait, NULL) < 0)
		return;
	samples_take(admin);
	for (unsigned i = 0; fds[0].revents != 0 && i < ADMIN_CLIENTS_MAX; i++)
		client_accept(admin);
	for (nfds_t i = 1; i < count; i++) {
		struct admin_peer *client = polled[i - 1];

		if (fds[i].revents & (POLLHUP | POLLERR)) {
			/* Gone for good: what it had not begun is not done any more. */
			admin_peer_close(client);
			continue;
		}
		if (fds[i].revents & POLLOUT)
			admin_peer_flush(client);
		if (client->fd >= 0 && (fds[i].revents & POLLIN) != 0)
			admin_peer_read(client);
	}
	admin_jobs_work(&admin->jobs);
	for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		struct admin_peer *client = &admin->clients[i];

		while (client_line(admin, client))
			;
		if (client->fd >= 0 && client->eof && client->job == NULL &&
		    client->out_size == 0 && !admin_peer_has_line(client))
			admin_peer_close(client);
	}
}

void admin_close(struct admin *admin)
{
	if (admin == NULL || admin->listener < 0)
		return;
	for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++)
		if (admin->clients[i].fd >= 0)
			admin_peer_close(&admin->clients[i]);
	close(admin->listener);
	(void)unlink(admin->path);
	admin->listener = -1;
}

void admin_free(struct admin *admin)
{
	admin_close(admin);
	free(admin);
}
