/* SPDX-License-Identifier: Apache-2.0 */
/* The key server's thread: listening, limits, deadlines. */
#include "control/keys/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "control/log/log.h"

#define BACKLOG                256
#define ACCEPTS_A_TURN         32
#define EVENTS_A_TURN          64
#define TURN_MS_MAX            1000
#define WAIT_TURN_MS           5
#define FULL_PAUSE_NS          (10 * INTERNAL_NS_PER_MS)
#define SERVER_CHECK_NS        (60000 * INTERNAL_NS_PER_MS)
#define EVENT_LISTEN           UINT64_MAX
#define EVENT_WAKE             (UINT64_MAX - 1)
#define EVICT_SHARE_OF_TIMEOUT 4 /* a full house drops handshakes older than timeout / 4 */

uint64_t internal_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void drop(struct key_server *server, unsigned index)
{
	/* Closing the fd takes it out of epoll. */
	connection_free(server, server->table[index]);
	server->table[index] = server->table[--server->count];
	server->table[server->count] = NULL;
	atomic_store_explicit(&server->open, server->count, memory_order_relaxed);
}

static int epoll_set(struct key_server *server, int operation, int fd, uint32_t events, uint64_t id)
{
	struct epoll_event event = { .events = events, .data.u64 = id };

	return epoll_ctl(server->epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

/* One connection's turn; its place may be taken by the last one. 1: it is still there. */
static int turn(struct key_server *server, unsigned index)
{
	struct connection *connection = server->table[index];
	uint32_t before = connection->events;

	if (!connection_turn(server, connection, internal_now_ns())) {
		drop(server, index);
		return 0;
	}
	if (connection->events != before &&
	    epoll_set(server, EPOLL_CTL_MOD, connection->fd, connection->events,
	        (uint64_t)connection->fd) != 0) {
		drop(server, index);
		return 0;
	}
	return 1;
}

/* Served and only held open, or being closed. */
static int finished(const struct connection *connection)
{
	return connection->state == CONNECTION_DRAIN ||
	       (connection->state == CONNECTION_REQUEST && connection->requests > 0);
}

/*
 * Makes room: by those whose peer is gone already; else by the oldest that is finished or has long
 * not shown a certificate.
 */
static int evict(struct key_server *server, uint64_t now_ns)
{
	uint64_t age_ns =
	    server->config.keys.handshake_timeout_ms * INTERNAL_NS_PER_MS / EVICT_SHARE_OF_TIMEOUT;
	unsigned before = server->count, oldest;

	for (unsigned i = 0; i < server->count;)
		i += !finished(server->table[i]) || turn(server, i);
	if (server->count < before)
		return 1;
	oldest = server->count;
	for (unsigned i = 0; i < server->count; i++) {
		const struct connection *one = server->table[i];

		if (!finished(one) &&
		    (one->state != CONNECTION_HANDSHAKE || now_ns - one->begun_ns < age_ns))
			continue;
		if (oldest == server->count || one->begun_ns < server->table[oldest]->begun_ns)
			oldest = i;
	}
	if (oldest == server->count)
		return 0;
	if (server->table[oldest]->state == CONNECTION_HANDSHAKE)
		INTERNAL_COUNT(server, timeouts);
	drop(server, oldest);
	return 1;
}

/* Takes or refuses one accepted connection, before any TLS. */
static void admit(struct key_server *server, int fd, const struct sockaddr_storage *peer)
{
	uint64_t now_ns = internal_now_ns();
	unsigned most = server->config.keys.handshakes_parallel_max;
	struct connection *connection;
	char address[INET6_ADDRSTRLEN];
	int one = 1;

	INTERNAL_COUNT(server, connections);
	if (most > INTERNAL_CONNECTIONS_MAX)
		most = INTERNAL_CONNECTIONS_MAX;
	if (!limiter_take(&server->limiter, limiter_address(peer), now_ns,
	        server->config.keys.address_rate_per_s, server->config.keys.address_burst)) {
		INTERNAL_COUNT(server, rate_refused);
		close(fd);
		return;
	}
	if (server->count >= most && !evict(server, now_ns)) {
		INTERNAL_COUNT(server, parallel_refused);
		close(fd);
		return;
	}
	listen_address(peer, address, sizeof(address));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connection = connection_new(server, fd, address, now_ns);
	if (connection == NULL) {
		close(fd);
		return;
	}
	server->table[server->count++] = connection;
	atomic_store_explicit(&server->open, server->count, memory_order_relaxed);
	if (epoll_set(server, EPOLL_CTL_ADD, fd, connection->events, (uint64_t)fd) != 0)
		drop(server, server->count - 1);
}

static void accept_all(struct key_server *server)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage peer;
		socklen_t size = sizeof(peer);
		struct timespec pause = { 0, FULL_PAUSE_NS };
		int fd;

		memset(&peer, 0, sizeof(peer));
		fd = accept4(server->listen_fd, (struct sockaddr *)&peer, &size,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			admit(server, fd, &peer);
			continue;
		}
		/* Out of descriptors or memory: it would come back at once. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			nanosleep(&pause, NULL);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/* Listens as soon as there is an authority. */
static void listen_check(struct key_server *server)
{
	if (atomic_load_explicit(&server->listening, memory_order_relaxed) ||
	    !authority_ready(server->settings.authority))
		return;
	if (listen(server->listen_fd, BACKLOG) != 0 ||
	    epoll_set(server, EPOLL_CTL_ADD, server->listen_fd, EPOLLIN, EVENT_LISTEN) != 0) {
		log_event(LOG_ERROR, "keys", "listen_failed", NULL,
		    "Cannot listen at port %u: %s. Tried again every second.", server->port,
		    strerror(errno));
		return;
	}
	/* Pairs with the load in key_server_counts; nothing else is ordered by it. */
	atomic_store_explicit(&server->listening, 1, memory_order_relaxed);
	log_event(
	    LOG_INFO, "keys", "listening", NULL, "key server listens at port %u", server->port);
}

static void server_certificate_check(struct key_server *server, uint64_t now_ns)
{
	int result;

	if (now_ns < server->server_check_ns)
		return;
	server->server_check_ns = now_ns + SERVER_CHECK_NS;
	result = authority_server_renew(server->settings.authority, 0);
	if (result == 1)
		log_event(LOG_INFO, "keys", "server_certificate_renewed", NULL,
		    "new certificate of the key server");
	else if (result < 0 && result != -ENOKEY)
		log_event(LOG_ERROR, "keys", "server_certificate_failed", NULL,
		    "Renewing the key server's certificate failed: %s. Look at the disk; tried "
		    "again in a minute.",
		    strerror(-result));
}

/* Deadlines, sessions waited for. Returns ms until the next look. */
static int timers(struct key_server *server)
{
	uint64_t now_ns = internal_now_ns(), next_ns = now_ns + TURN_MS_MAX * INTERNAL_NS_PER_MS;

	for (unsigned i = 0; i < server->count;) {
		struct connection *connection = server->table[i];
		enum connection_state state = connection->state;

		if (state == CONNECTION_WAIT) {
			if (!turn(server, i))
				continue;
			next_ns = now_ns + WAIT_TURN_MS * INTERNAL_NS_PER_MS;
		} else if (now_ns >= connection->deadline_ns) {
			if (state != CONNECTION_DRAIN)
				INTERNAL_COUNT(server, timeouts);
			drop(server, i);
			continue;
		} else if (connection->deadline_ns < next_ns) {
			next_ns = connection->deadline_ns;
		}
		i++;
	}
	listen_check(server);
	server_certificate_check(server, now_ns);
	return (int)((next_ns - now_ns) / INTERNAL_NS_PER_MS) + 1;
}

static void config_take(struct key_server *server)
{
	uint64_t count;

	(void)!read(server->event_fd, &count, sizeof(count));
	pthread_mutex_lock(&server->lock);
	server->config = server->fresh;
	pthread_mutex_unlock(&server->lock);
}

static void event_take(struct key_server *server, const struct epoll_event *event)
{
	if (event->data.u64 == EVENT_WAKE) {
		config_take(server);
		return;
	}
	if (event->data.u64 == EVENT_LISTEN) {
		accept_all(server);
		return;
	}
	for (unsigned i = 0; i < server->count; i++) {
		if ((uint64_t)server->table[i]->fd != event->data.u64)
			continue;
		/* While it waits only the peer's end is of interest. */
		if (server->table[i]->state == CONNECTION_WAIT)
			drop(server, i);
		else
			(void)turn(server, i);
		return;
	}
}

static void *run(void *argument)
{
	struct key_server *server = argument;
	struct epoll_event events[EVENTS_A_TURN];
	sigset_t all;

	/* Signals are the main thread's; a peer that is gone must not end the process (SIGPIPE). */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	/* Acquire pairs with the release in key_server_stop. */
	while (!atomic_load_explicit(&server->stop, memory_order_acquire)) {
		int count = epoll_wait(server->epoll_fd, events, EVENTS_A_TURN, timers(server));

		for (int i = 0; i < count; i++)
			event_take(server, &events[i]);
	}
	while (server->count > 0)
		drop(server, server->count - 1);
	return NULL;
}

static void server_free(struct key_server *server)
{
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	if (server->event_fd >= 0)
		close(server->event_fd);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

int key_server_start(struct key_server **out, const struct key_server_config *config, char *message,
    size_t message_size)
{
	struct key_server *server = calloc(1, sizeof(*server));
	int error;

	if (server == NULL) {
		snprintf(message, message_size, "Out of memory.");
		return -ENOMEM;
	}
	server->settings = *config;
	server->settings.config = NULL;
	server->config = server->fresh = *config->config;
	server->listen_fd = -1;
	pthread_mutex_init(&server->lock, NULL);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	message[0] = '\0';
	if (server->epoll_fd < 0 || server->event_fd < 0 ||
	    RAND_bytes((unsigned char *)&server->limiter.secret, sizeof(server->limiter.secret)) !=
	        1)
		error = -EIO;
	else
		error = epoll_set(server, EPOLL_CTL_ADD, server->event_fd, EPOLLIN, EVENT_WAKE);
	if (error == 0)
		error = listen_bind(
		    &server->config, &server->listen_fd, &server->port, message, message_size);
	if (error == 0) {
		listen_check(server);
		error = -pthread_create(&server->thread, NULL, run, server);
	}
	if (error != 0) {
		if (message[0] == '\0')
			snprintf(message, message_size, "The key server cannot start: %s.",
			    strerror(-error));
		server_free(server);
		return error;
	}
	*out = server;
	return 0;
}

static void wake(struct key_server *server)
{
	uint64_t one = 1;

	(void)!write(server->event_fd, &one, sizeof(one));
}

void key_server_stop(struct key_server *server)
{
	if (server == NULL)
		return;
	/* Release pairs with the acquire in run. */
	atomic_store_explicit(&server->stop, 1, memory_order_release);
	wake(server);
	pthread_join(server->thread, NULL);
	server_free(server);
}

void key_server_reload(struct key_server *server, const struct control_config *config)
{
	pthread_mutex_lock(&server->lock);
	server->fresh = *config;
	pthread_mutex_unlock(&server->lock);
	wake(server);
}

void key_server_counts(const struct key_server *server, struct key_server_counts *counts)
{
	/* Relaxed, pairs with INTERNAL_COUNT: each number for itself. */
#define COUNTER_READ(name, text)                                                                   \
	counts->name = atomic_load_explicit(&server->name, memory_order_relaxed);
	KEY_SERVER_COUNTERS(COUNTER_READ)
#undef COUNTER_READ
	counts->open = atomic_load_explicit(&server->open, memory_order_relaxed);
	counts->listening = atomic_load_explicit(&server->listening, memory_order_relaxed);
	counts->port = server->port;
}
