/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/sluice-terminal/terminal.h"

volatile sig_atomic_t stop_requested;

static int session_load(struct connection *connection, const struct options *options)
{
	unsigned line = 0;
	int rc = session_file_find(options->session_file, options->session_id, options->terminal_id,
	    &connection->session, &line);

	switch (rc) {
	case 0:
		return EXIT_DONE;
	case -EPERM:
		fprintf(stderr,
		    "sluice-terminal: %s holds secrets and others may read it. Run: chmod 600 %s\n",
		    options->session_file, options->session_file);
		break;
	case -ESRCH:
		fprintf(stderr,
		    "sluice-terminal: %s has no such session. Check --session and --terminal, or "
		    "provision it.\n",
		    options->session_file);
		break;
	case -EBADMSG:
		fprintf(stderr, "sluice-terminal: line %u of %s is malformed.\n", line,
		    options->session_file);
		break;
	default:
		fprintf(stderr, "sluice-terminal: cannot read %s: %s.\n", options->session_file,
		    strerror(-rc));
		break;
	}
	return EXIT_UNREACHABLE;
}

/* Beside the session file unless --state-dir says otherwise. 0 or -ENAMETOOLONG. */
static int ids_path(const struct connection *connection, char path[PATH_MAX])
{
	const struct options *options = connection->options;
	const char *slash = strrchr(options->session_file, '/');
	int length, directory;
	const char *base;

	base = options->state_dir != NULL ? options->state_dir : options->session_file;
	directory = options->state_dir != NULL ? (int)strlen(base)
	            : slash != NULL            ? (int)(slash - options->session_file)
	                                       : 0;
	if (slash == NULL && options->state_dir == NULL)
		length = snprintf(path, PATH_MAX, "terminal-%llu.ids",
		    (unsigned long long)connection->session.terminal_id);
	else
		length = snprintf(path, PATH_MAX, "%.*s/terminal-%llu.ids", directory, base,
		    (unsigned long long)connection->session.terminal_id);
	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int ids_open(struct connection *connection, struct client_counter *counter)
{
	char path[PATH_MAX];
	int rc = ids_path(connection, path);

	if (rc == 0)
		rc = counter_file_open(path, 1, &connection->ids, counter);
	if (rc == 0)
		return EXIT_DONE;
	if (rc == -EBUSY)
		fprintf(stderr,
		    "sluice-terminal: terminal %llu is in use by another process (%s.lock).\n",
		    (unsigned long long)connection->session.terminal_id, path);
	else if (rc == -EBADMSG)
		fprintf(stderr,
		    "sluice-terminal: %s is damaged. Remove it: the switch tells the next id.\n",
		    path);
	else
		fprintf(stderr,
		    "sluice-terminal: cannot keep request ids in %s: %s. Choose another "
		    "--state-dir.\n",
		    path, strerror(-rc));
	return EXIT_UNREACHABLE;
}

static void event_take(void *context, const struct client_event *event)
{
	struct connection *connection = context;

	if (event->kind == CLIENT_READY)
		connection->hello = *event->reply;
	else if (event->kind == CLIENT_REKEYED)
		connection->rekeys++;
	else if (event->kind == CLIENT_SILENT)
		connection->silences++;
	if (connection->on_event != NULL)
		connection->on_event(connection->context, event);
}

/* The root outlives the process, so packet numbers start at the Unix time (wire/README.md 2). */
static uint64_t unix_time_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000;
}

static int client_open(struct connection *connection, const struct options *options)
{
	struct client_config config = {
		.session_id = connection->session.session_id,
		.epoch = 1,
		.messages_max = (uint8_t)options->batch,
		.in_flight_max = (uint8_t)options->in_flight,
		.heartbeat = 1,
		.jitter_seed = unix_time_us(),
		.packet_number_first = unix_time_us(),
		.on_event = event_take,
		.context = connection,
	};
	int rc, status = ids_open(connection, &config.request_ids);

	if (status != EXIT_DONE)
		return status;
	memcpy(config.root, connection->session.root, sizeof(config.root));
	rc = client_create(&config, &connection->client);
	explicit_bzero(config.root, sizeof(config.root));
	explicit_bzero(connection->session.root, sizeof(connection->session.root));
	if (rc < 0) {
		fprintf(stderr, "sluice-terminal: cannot start: %s.\n", strerror(-rc));
		return EXIT_UNREACHABLE;
	}
	rc = client_udp_open(options->switch_address, &connection->udp);
	if (rc == -EINVAL) {
		fprintf(stderr, "sluice-terminal: --switch %s is not IP:PORT.\n",
		    options->switch_address);
		return EXIT_USAGE;
	}
	if (rc < 0) {
		fprintf(stderr, "sluice-terminal: cannot reach %s: %s.\n", options->switch_address,
		    strerror(-rc));
		return EXIT_UNREACHABLE;
	}
	return EXIT_DONE;
}

int connection_open(struct connection *connection, const struct options *options)
{
	uint64_t end_ns = client_udp_now_ns() + options->timeout_ns;
	int status;

	memset(connection, 0, sizeof(*connection));
	connection->options = options;
	connection->udp.fd = -1;
	status = session_load(connection, options);
	if (status == EXIT_DONE)
		status = client_open(connection, options);
	while (status == EXIT_DONE && !client_ready(connection->client)) {
		uint64_t now_ns = client_udp_now_ns();

		if (now_ns >= end_ns || stop_requested) {
			fprintf(stderr,
			    "sluice-terminal: no answer from the switch at %s. Check that it runs "
			    "and that session %u is installed there: an unknown one gets no "
			    "answer.\n",
			    options->switch_address, connection->session.session_id);
			status = EXIT_UNREACHABLE;
			break;
		}
		status = connection_turn(connection, end_ns - now_ns);
	}
	if (status != EXIT_DONE)
		connection_close(connection);
	return status;
}

void connection_close(struct connection *connection)
{
	/* Ids above the ones used are given back; on failure they are skipped, which is harmless.
	 */
	if (connection->ids != NULL)
		(void)counter_file_close(connection->ids,
		    connection->client != NULL ? client_next_id(connection->client) : 0);
	client_free(connection->client);
	client_udp_close(&connection->udp);
	connection->ids = NULL;
	connection->client = NULL;
}

int connection_turn(struct connection *connection, uint64_t wait_ns)
{
	int rc = client_udp_turn(&connection->udp, connection->client, wait_ns);

	if (rc >= 0 || rc == -EINTR)
		return EXIT_DONE;
	fprintf(stderr, "sluice-terminal: cannot go on: %s.\n",
	    rc == -EKEYEXPIRED ? "the session's key is used up, provision a new session"
	                       : strerror(-rc));
	return EXIT_UNREACHABLE;
}
