/* SPDX-License-Identifier: Apache-2.0 */
#include "control/ops-socket/ops.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/log/log.h"
#include "control/ops-socket/ops_internal.h"

#define OPS_CLIENTS_MAX 256
#define IDLE_TIMEOUT_MS 60000
#define LINE_TIMEOUT_MS 10000

#define STATUS_REFUSED 1
#define STATUS_USAGE   2

enum client_state {
	CLIENT_FREE,
	CLIENT_RUNNING,
	CLIENT_ENDED, /* its thread is to be joined; its socket is closed */
};

struct ops_client {
	struct ops *ops;
	enum client_state state; /* under ops->mutex */
	int fd;                  /* under ops->mutex while others may shut it down */
	pthread_t thread;
};

struct ops {
	struct ops_config config; /* .config is not used after the start */
	int listen_fd, wake_fd;
	pthread_t thread;
	pthread_mutex_t mutex;
	struct ops_access access;                   /* under mutex */
	struct ops_client clients[OPS_CLIENTS_MAX]; /* states under mutex */
};

static struct ops_access access_copy(struct ops *ops)
{
	struct ops_access access;

	pthread_mutex_lock(&ops->mutex);
	access = ops->access;
	pthread_mutex_unlock(&ops->mutex);
	return access;
}

/* ---- one client ---- */

/* Releases `answer`. */
static int answer_send(struct ops_stream *stream, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);
	size_t size;
	int result;

	json_decref(answer);
	if (text == NULL)
		return -ENOMEM;
	size = strlen(text);
	text[size++] = '\n'; /* in place of the terminator: the length is kept apart */
	result = ops_stream_write(stream, text, size);
	free(text);
	return result;
}

static const char *stream_problem(int result)
{
	if (result == -EMSGSIZE)
		return "The request line is too long (8 MiB at most). Split the file.";
	if (result == -ETIMEDOUT)
		return "The request line did not end in time. Send it at once, ended by a newline.";
	if (result == -ENOMEM)
		return "sluice-control is out of memory. Try again later.";
	return NULL;
}

static void *client_run(void *argument)
{
	struct ops_client *client = argument;
	struct ops *ops = client->ops;
	struct ops_stream stream = {
		.fd = client->fd,
		.idle_timeout_ms = ops->config.idle_timeout_ms,
		.line_timeout_ms = ops->config.line_timeout_ms,
	};
	char *line = NULL;
	size_t size = 0;
	int result;

	while ((result = ops_stream_read(&stream, &line, &size)) == 1) {
		const struct ops_access access = access_copy(ops);
		struct ops_peer peer;

		/* Anew for each request: roles may have been taken away since the connection. */
		if (ops_access_peer(&access, client->fd, &peer) != 0 ||
		    answer_send(
		        &stream, ops_request_answer(&ops->config, &access, &peer, line, size)) != 0)
			break;
	}
	if (result < 0 && stream_problem(result) != NULL)
		(void)answer_send(
		    &stream, ops_answer_refused(STATUS_USAGE, stream_problem(result)));
	ops_stream_free(&stream);
	pthread_mutex_lock(&ops->mutex);
	close(client->fd);
	client->fd = -1;
	client->state = CLIENT_ENDED;
	pthread_mutex_unlock(&ops->mutex);
	return NULL;
}

/* ---- letting clients in ---- */

/* Joins ended threads. The number that still run. */
static unsigned clients_reap(struct ops *ops)
{
	unsigned running = 0;

	for (size_t i = 0; i < OPS_CLIENTS_MAX; i++) {
		struct ops_client *client = &ops->clients[i];
		enum client_state state;

		pthread_mutex_lock(&ops->mutex);
		state = client->state;
		pthread_mutex_unlock(&ops->mutex);
		running += state == CLIENT_RUNNING;
		if (state != CLIENT_ENDED)
			continue;
		pthread_join(client->thread, NULL);
		pthread_mutex_lock(&ops->mutex);
		client->state = CLIENT_FREE;
		pthread_mutex_unlock(&ops->mutex);
	}
	return running;
}

/* Without waiting: the answer fits the empty buffer of a new socket. */
static void turn_away(int fd, const char *message)
{
	struct ops_stream stream = { .fd = fd };

	(void)answer_send(&stream, ops_answer_refused(STATUS_REFUSED, message));
	close(fd);
}

static int client_start(struct ops *ops, int fd)
{
	struct ops_client *client = NULL;
	int error;

	pthread_mutex_lock(&ops->mutex);
	for (size_t i = 0; i < OPS_CLIENTS_MAX && client == NULL; i++)
		if (ops->clients[i].state == CLIENT_FREE)
			client = &ops->clients[i];
	SLUICE_REQUIRE(client != NULL); /* the caller counted */
	client->ops = ops;
	client->fd = fd;
	error = pthread_create(&client->thread, NULL, client_run, client);
	if (error == 0)
		client->state = CLIENT_RUNNING; /* before it can say that it ended */
	pthread_mutex_unlock(&ops->mutex);
	return -error;
}

static void client_admit(struct ops *ops, int fd)
{
	const struct ops_access access = access_copy(ops);
	unsigned most = access.clients_max;
	unsigned running = clients_reap(ops);
	char message[OPS_MESSAGE_SIZE];
	struct ops_peer peer;
	int admin, error = ops_access_peer(&access, fd, &peer);

	most = most < 1 ? 1 : most > OPS_CLIENTS_MAX ? OPS_CLIENTS_MAX : most;
	if (error != 0) {
		turn_away(fd, "sluice-control cannot tell who you are. Try again.");
		return;
	}
	if (peer.roles == 0) {
		ops_access_refusal(&access, &peer, NULL, message, sizeof(message));
		log_event(LOG_WARNING, "ops", "stranger", NULL,
		    "User %s (uid %u) was turned away from the ops socket.", peer.name, peer.uid);
		turn_away(fd, message);
		return;
	}
	/* The last place is for an admin, who may have to end what the others do. */
	admin = (peer.roles & 1u << VERB_ROLE_ADMIN) != 0;
	if (running >= most || (!admin && most > 1 && running >= most - 1)) {
		snprintf(message, sizeof(message),
		    "%u clients are connected already. Try again soon, or raise "
		    "access.clients_max in control.yaml.",
		    running);
		turn_away(fd, message);
		return;
	}
	error = client_start(ops, fd);
	if (error != 0) {
		log_event(LOG_ERROR, "ops", "thread_failed", NULL,
		    "Cannot start a thread for a client: %s.", strerror(-error));
		turn_away(fd, "sluice-control cannot start a thread. Try again later.");
	}
}

static void *accept_run(void *argument)
{
	struct ops *ops = argument;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = ops->listen_fd, .events = POLLIN },
			{ .fd = ops->wake_fd, .events = POLLIN },
		};
		int fd;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents != 0)
			break;
		if (fds[0].revents == 0)
			continue;
		fd = accept4(ops->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			client_admit(ops, fd);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			(void)poll(&fds[1], 1, 100); /* no descriptor: do not spin */
	}
	return NULL;
}

/* ---- start and stop ---- */

static void warn_of_groups(const struct ops_access *access)
{
	const char *group = ops_access_unknown_group(access);

	if (group != NULL)
		log_event(LOG_WARNING, "ops", "group_unknown", NULL,
		    "The group %s of control.yaml (access) is not on this system; nobody has its "
		    "role. Make it: groupadd --system %s",
		    group, group);
}

int ops_start(struct ops **out, const struct ops_config *config, char *message, size_t message_size)
{
	struct ops *ops = calloc(1, sizeof(*ops));
	int result;

	if (ops == NULL) {
		snprintf(message, message_size, "Out of memory.");
		return -ENOMEM;
	}
	ops->config = *config;
	ops->config.config = NULL;
	if (ops->config.idle_timeout_ms == 0)
		ops->config.idle_timeout_ms = IDLE_TIMEOUT_MS;
	if (ops->config.line_timeout_ms == 0)
		ops->config.line_timeout_ms = LINE_TIMEOUT_MS;
	pthread_mutex_init(&ops->mutex, NULL);
	ops_access_set(&ops->access, config->config);
	warn_of_groups(&ops->access);
	ops->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (ops->wake_fd < 0) {
		result = -errno;
		snprintf(message, message_size, "Cannot make an eventfd: %s.", strerror(-result));
		goto failed;
	}
	ops->listen_fd = result = ops_socket_listen(config->path, message, message_size);
	if (result < 0)
		goto failed;
	result = -pthread_create(&ops->thread, NULL, accept_run, ops);
	if (result != 0) {
		snprintf(message, message_size, "Cannot start a thread: %s.", strerror(-result));
		close(ops->listen_fd);
		ops_socket_remove(config->path);
		goto failed;
	}
	*out = ops;
	return 0;
failed:
	if (ops->wake_fd >= 0)
		close(ops->wake_fd);
	pthread_mutex_destroy(&ops->mutex);
	free(ops);
	return result;
}

void ops_reload(struct ops *ops, const struct control_config *config)
{
	struct ops_access access;

	ops_access_set(&access, config);
	pthread_mutex_lock(&ops->mutex);
	ops->access = access;
	pthread_mutex_unlock(&ops->mutex);
	warn_of_groups(&access);
}

void ops_stop(struct ops *ops)
{
	const uint64_t one = 1;
	int started[OPS_CLIENTS_MAX];

	if (ops == NULL)
		return;
	SLUICE_REQUIRE(write(ops->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
	pthread_join(ops->thread, NULL);
	ops_socket_remove(ops->config.path);
	close(ops->listen_fd);
	/* Only the reading side: an answer being made still goes out. */
	pthread_mutex_lock(&ops->mutex);
	for (size_t i = 0; i < OPS_CLIENTS_MAX; i++) {
		started[i] = ops->clients[i].state != CLIENT_FREE;
		if (ops->clients[i].state == CLIENT_RUNNING)
			(void)shutdown(ops->clients[i].fd, SHUT_RD);
	}
	pthread_mutex_unlock(&ops->mutex);
	for (size_t i = 0; i < OPS_CLIENTS_MAX; i++)
		if (started[i])
			pthread_join(ops->clients[i].thread, NULL);
	close(ops->wake_fd);
	pthread_mutex_destroy(&ops->mutex);
	free(ops);
}
