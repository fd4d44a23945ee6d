/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/sluice-terminal/keying.h"
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

/*
 * Beside the session file, or in the identity's directory, unless --state-dir says otherwise. 0 or
 * -ENAMETOOLONG.
 */
static int ids_path(const struct connection *connection, char path[PATH_MAX])
{
	const struct options *options = connection->options;
	const char *base = options->state_dir != NULL ? options->state_dir : options->identity;
	const char *slash = NULL;
	int length, directory = 0;

	if (base != NULL) {
		directory = (int)strlen(base);
	} else {
		base = options->session_file;
		slash = strrchr(base, '/');
		directory = slash != NULL ? (int)(slash - base) : 0;
	}
	if (directory == 0 && slash == NULL)
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
		connection->counts.resets++;
	else if (event->kind == CLIENT_SILENT) {
		connection->counts.silences++;
		keying_silent(connection, client_udp_now_ns());
	}
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

int connection_socket_open(struct connection *connection)
{
	struct client_udp udp;
	int rc = client_udp_open(connection->switch_address, &udp);

	if (rc == -EINVAL) {
		fprintf(stderr, "sluice-terminal: --switch %s is not IP:PORT.\n",
		    connection->switch_address);
		return EXIT_USAGE;
	}
	if (rc < 0) {
		fprintf(stderr, "sluice-terminal: cannot reach %s: %s.\n",
		    connection->switch_address, strerror(-rc));
		return EXIT_UNREACHABLE;
	}
	client_udp_close(&connection->udp);
	connection->udp = udp;
	return EXIT_DONE;
}

static int client_make(struct connection *connection, struct client_config *config)
{
	const struct options *options = connection->options;
	int rc, status = ids_open(connection, &config->request_ids);

	if (status != EXIT_DONE)
		return status;
	config->messages_max = (uint8_t)options->batch;
	config->in_flight_max = (uint8_t)options->in_flight;
	config->heartbeat = 1;
	config->reverse = options->reverse && strcmp(options->arguments[0], "demo") != 0;
	config->jitter_seed = unix_time_us() ^ connection->session.terminal_id;
	config->on_event = event_take;
	config->context = connection;
	rc = client_create(config, &connection->client);
	if (rc == 0)
		return connection_socket_open(connection);
	fprintf(stderr, "sluice-terminal: cannot start: %s.\n", strerror(-rc));
	return EXIT_UNREACHABLE;
}

/* A laboratory's session: its root outlives us, and boot id and epoch come by RESET. */
static int file_open(struct connection *connection)
{
	struct client_config config = { .epoch = 1, .packet_number_first = unix_time_us() };
	const char *address = connection->options->switch_address;
	int status = session_load(connection, connection->options);

	if (status != EXIT_DONE)
		return status;
	snprintf(connection->switch_address, sizeof(connection->switch_address), "%s", address);
	config.session_id = connection->session.session_id;
	memcpy(config.root, connection->session.root, sizeof(config.root));
	explicit_bzero(connection->session.root, sizeof(connection->session.root));
	status = client_make(connection, &config);
	explicit_bzero(config.root, sizeof(config.root));
	return status;
}

/* A session from control: its root lives in this process only, so packet numbers start at 1. */
static int control_open(struct connection *connection, uint64_t end_ns)
{
	struct client_config config = { .packet_number_first = 1 };
	struct client_keying_result result = { 0 };
	int status = keying_start(connection, end_ns, &result);

	if (status == EXIT_DONE) {
		connection->session.session_id = config.session_id = result.session_id;
		connection->session.terminal_id = result.terminal_id;
		connection->session.rights = result.rights;
		config.boot_id = result.boot_id;
		config.epoch = result.epoch;
		memcpy(config.root, result.root, sizeof(config.root));
		status = client_make(connection, &config);
	}
	explicit_bzero(&result, sizeof(result));
	explicit_bzero(config.root, sizeof(config.root));
	return status;
}

int connection_open(struct connection *connection, const struct options *options)
{
	uint64_t end_ns = client_udp_now_ns() + options->timeout_ns;
	int status;

	memset(connection, 0, sizeof(*connection));
	connection->options = options;
	connection->udp.fd = -1;
	status = options->control_address != NULL ? control_open(connection, end_ns)
	                                          : file_open(connection);
	while (status == EXIT_DONE && !client_ready(connection->client)) {
		uint64_t now_ns = client_udp_now_ns();

		if (now_ns >= end_ns || stop_requested) {
			fprintf(stderr,
			    "sluice-terminal: no answer from the switch at %s. Check that it runs "
			    "and that session %u is installed there: an unknown one gets no "
			    "answer.\n",
			    connection->switch_address, connection->session.session_id);
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
	keying_end(connection);
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
	struct timespec pause = { 0, 10000000 };
	int rc;

	if (connection->keying != NULL)
		wait_ns = keying_step(connection, client_udp_now_ns(), wait_ns);
	if (connection->ended != EXIT_DONE)
		return (int)connection->ended;
	rc = client_udp_turn(&connection->udp, connection->client, wait_ns);
	if (rc >= 0 || rc == -EINTR)
		return EXIT_DONE;
	if (rc == -EKEYEXPIRED && connection->keying != NULL) {
		keying_urgent(connection, client_udp_now_ns());
		nanosleep(&pause, NULL);
		return EXIT_DONE;
	}
	fprintf(stderr, "sluice-terminal: cannot go on: %s.\n",
	    rc == -EKEYEXPIRED ? "the session's key is used up, provision a new session"
	                       : strerror(-rc));
	return EXIT_UNREACHABLE;
}
