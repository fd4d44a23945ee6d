/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/sluice-terminal/keying.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "wire/keying/keying.h"

#define WAIT_MIN_NS         1000000000ull /* after the first failure; doubled up to the next */
#define WAIT_MAX_NS         60000000000ull
#define CERTIFICATE_WAIT_NS 600000000000ull /* a third of its life is left: no hurry */
#define STEP_NS             20000000ull     /* how often a running thread is looked at */
#define NEVER               UINT64_MAX

enum job { JOB_SESSION, JOB_CERTIFICATE };

struct keying {
	struct client_keying_config config;
	/* The thread's; read after `done`. */
	pthread_t thread;
	enum job job;
	struct client_keying_result result;
	char message[CLIENT_KEYING_MESSAGE_SIZE];
	int rc;
	atomic_int done; /* release by the thread, acquire in keying_step */
	atomic_int stop; /* set by keying_end, read by the thread; no data hangs on it */
	int running;
	/* The plan. */
	uint64_t session_ns, certificate_ns; /* when to ask for one; NEVER */
	uint64_t expiry_ns;                  /* when a new session is due by age; NEVER */
	uint64_t silent_ns;                  /* when the silence was told; 0: not silent */
	uint64_t begun_ns;                   /* of the session in use */
	uint64_t wait_ns;                    /* after the next failure */
	int needed;                          /* a session, whether the switch answers or not */
	int complained;                      /* the failures of now were told once */
};

/* Below `span`; 0 without a span. */
static uint64_t random_below(uint64_t span)
{
	uint64_t value = 0;

	if (getrandom(&value, sizeof(value), 0) != sizeof(value))
		value = client_udp_now_ns();
	return span == 0 ? 0 : value % span;
}

static uint64_t wait_next(struct keying *keying)
{
	uint64_t wait_ns = keying->wait_ns;

	keying->wait_ns = wait_ns * 2 < WAIT_MAX_NS ? wait_ns * 2 : WAIT_MAX_NS;
	return wait_ns + random_below(wait_ns / 2);
}

static uint64_t certificate_wait(void)
{
	return CERTIFICATE_WAIT_NS / 2 + random_below(CERTIFICATE_WAIT_NS);
}

static int stop_asked(void *context)
{
	struct keying *keying = context;

	return stop_requested || atomic_load_explicit(&keying->stop, memory_order_relaxed);
}

/* Waiting does not help and a person has to do something: wire/README.md 3.4. */
static int refused_for_good(int rc, const struct client_keying_result *result)
{
	unsigned code = result->refusal.code;

	return rc == -ECONNABORTED &&
	       (code == KEYING_REFUSAL_BAD_REQUEST || code == KEYING_REFUSAL_AEAD_UNSUPPORTED ||
	           code == KEYING_REFUSAL_TERMINAL_UNKNOWN ||
	           code == KEYING_REFUSAL_CERTIFICATE_REVOKED);
}

static int exit_status(int rc)
{
	return rc == -ECONNABORTED ? EXIT_REFUSED : rc == -EINVAL ? EXIT_USAGE : EXIT_UNREACHABLE;
}

static void config_fill(struct client_keying_config *config, const struct options *options)
{
	*config = (struct client_keying_config){ .address = options->control_address,
		.directory = options->identity,
		.deployment = options->deployment,
		.terminal_id = options->terminal_id };
}

/* Plans the next session by the age of this one. Its times are the switch's; only their difference
 * counts. */
static void session_plan(
    struct keying *keying, const struct client_keying_result *result, uint64_t now_ns)
{
	uint64_t life_ns = result->expires_ns - result->switch_time_ns;
	uint64_t early_ns = life_ns / 5;

	keying->begun_ns = now_ns;
	keying->silent_ns = 0;
	keying->needed = 0;
	keying->session_ns = NEVER;
	keying->expiry_ns = NEVER;
	if (life_ns - early_ns < UINT64_MAX / 2 - now_ns)
		keying->expiry_ns = now_ns + life_ns - early_ns + random_below(early_ns);
}

/* The switch's address: the user's, else what control told. */
static int address_take(struct connection *connection, const struct client_keying_result *result)
{
	const char *given = connection->options->switch_address;
	struct in_addr address = { htonl(result->address_ipv4) };
	char text[INET_ADDRSTRLEN];
	unsigned port = result->udp_port;

	if (given != NULL) {
		if (strlen(given) >= sizeof(connection->switch_address))
			return -EINVAL;
		memcpy(connection->switch_address, given, strlen(given) + 1);
		return 0;
	}
	if (result->address_ipv4 == 0 || port == 0 ||
	    inet_ntop(AF_INET, &address, text, sizeof(text)) == NULL)
		return -EADDRNOTAVAIL;
	if (result->udp_port_count > 1)
		port += (unsigned)(result->terminal_id % result->udp_port_count);
	snprintf(connection->switch_address, sizeof(connection->switch_address), "%s:%u", text,
	    port & 0xffff);
	return 0;
}

static int certificate_renew(struct connection *connection, struct keying *keying)
{
	struct client_keying_result result = { 0 };
	int rc =
	    client_keying_renew(&keying->config, &result, keying->message, sizeof(keying->message));

	connection->counts.tls_handshakes += result.handshakes;
	if (rc == 0)
		connection->counts.certificates_renewed++;
	return rc;
}

int keying_start(
    struct connection *connection, uint64_t end_ns, struct client_keying_result *result)
{
	struct keying *keying = calloc(1, sizeof(*keying));
	int rc;

	if (keying == NULL)
		return EXIT_UNREACHABLE;
	connection->keying = keying;
	config_fill(&keying->config, connection->options);
	keying->config.stop = stop_asked;
	keying->config.context = keying;
	keying->wait_ns = WAIT_MIN_NS;
	keying->session_ns = keying->certificate_ns = keying->expiry_ns = NEVER;
	for (;;) {
		uint64_t now_ns = client_udp_now_ns(), wait_ns;
		struct timespec pause = { 0, STEP_NS };

		keying->config.timeout_ns = now_ns < end_ns ? end_ns - now_ns : 1;
		if (keying->config.timeout_ns > CLIENT_KEYING_TIMEOUT_NS)
			keying->config.timeout_ns = CLIENT_KEYING_TIMEOUT_NS;
		rc = client_keying_establish(
		    &keying->config, result, keying->message, sizeof(keying->message));
		connection->counts.tls_handshakes += result->handshakes;
		if (rc == 0)
			break;
		connection->counts.keying_failures++;
		wait_ns = wait_next(keying);
		if (rc == -ECONNABORTED && result->refusal.retry_after_s * 1000000000ull > wait_ns)
			wait_ns = result->refusal.retry_after_s * 1000000000ull;
		now_ns = client_udp_now_ns();
		if (stop_requested || !client_keying_retry(rc, result) || now_ns >= end_ns ||
		    wait_ns > end_ns - now_ns) {
			fprintf(stderr, "sluice-terminal: no session: %s.\n", keying->message);
			return exit_status(rc);
		}
		while (!stop_requested && client_udp_now_ns() - now_ns < wait_ns)
			nanosleep(&pause, NULL);
	}
	keying->config.timeout_ns = CLIENT_KEYING_TIMEOUT_NS;
	keying->wait_ns = WAIT_MIN_NS;
	session_plan(keying, result, client_udp_now_ns());
	rc = address_take(connection, result);
	if (rc < 0) {
		fprintf(stderr,
		    "sluice-terminal: control does not tell the switch's address. Give --switch "
		    "IP:PORT.\n");
		return EXIT_USAGE;
	}
	if (result->certificate_due && certificate_renew(connection, keying) < 0) {
		fprintf(stderr, "sluice-terminal: the certificate should be renewed, but: %s.\n",
		    keying->message);
		keying->certificate_ns = client_udp_now_ns() + certificate_wait();
	}
	return EXIT_DONE;
}

static void *thread_run(void *context)
{
	struct keying *keying = context;

	keying->rc = keying->job == JOB_SESSION
	                 ? client_keying_establish(&keying->config, &keying->result,
	                       keying->message, sizeof(keying->message))
	                 : client_keying_renew(&keying->config, &keying->result, keying->message,
	                       sizeof(keying->message));
	atomic_store_explicit(&keying->done, 1, memory_order_release);
	return NULL;
}

static void job_start(struct keying *keying, enum job job, uint64_t now_ns)
{
	keying->job = job;
	keying->result = (struct client_keying_result){ 0 };
	atomic_store_explicit(&keying->done, 0, memory_order_relaxed);
	*(job == JOB_SESSION ? &keying->session_ns : &keying->certificate_ns) = NEVER;
	if (pthread_create(&keying->thread, NULL, thread_run, keying) == 0)
		keying->running = 1;
	else
		*(job == JOB_SESSION ? &keying->session_ns : &keying->certificate_ns) =
		    now_ns + wait_next(keying);
}

void keying_end(struct connection *connection)
{
	struct keying *keying = connection->keying;

	if (keying == NULL)
		return;
	atomic_store_explicit(&keying->stop, 1, memory_order_relaxed);
	if (keying->running)
		pthread_join(keying->thread, NULL);
	explicit_bzero(keying, sizeof(*keying));
	free(keying);
	connection->keying = NULL;
}

static int session_take(struct connection *connection, uint64_t now_ns)
{
	struct client_keying_result *result = &connection->keying->result;
	char before[sizeof(connection->switch_address)];
	int rc = client_session_replace(connection->client, result->session_id, result->root,
	    result->boot_id, result->epoch, now_ns);

	explicit_bzero(result->root, sizeof(result->root));
	if (rc < 0)
		return rc;
	connection->counts.sessions_replaced++;
	connection->session.session_id = result->session_id;
	connection->session.rights = result->rights;
	session_plan(connection->keying, result, now_ns);
	if (result->certificate_due && connection->keying->certificate_ns == NEVER)
		connection->keying->certificate_ns = now_ns;
	memcpy(before, connection->switch_address, sizeof(before));
	if (address_take(connection, result) == 0 &&
	    strcmp(before, connection->switch_address) != 0 &&
	    connection_socket_open(connection) != EXIT_DONE)
		memcpy(connection->switch_address, before, sizeof(before));
	return 0;
}

static void job_finish(struct connection *connection, uint64_t now_ns)
{
	struct keying *keying = connection->keying;
	uint64_t wait_ns;
	int rc = keying->rc;

	pthread_join(keying->thread, NULL);
	keying->running = 0;
	connection->counts.tls_handshakes += keying->result.handshakes;
	if (rc == 0 && keying->job == JOB_SESSION)
		rc = session_take(connection, now_ns);
	if (rc == 0) {
		connection->counts.certificates_renewed += keying->job == JOB_CERTIFICATE;
		keying->complained = 0;
		return;
	}
	connection->counts.keying_failures++;
	if (keying->job == JOB_SESSION && refused_for_good(rc, &keying->result)) {
		connection->ended = EXIT_REFUSED;
		fprintf(stderr, "sluice-terminal: %s.\n", keying->message);
		return;
	}
	if (!keying->complained && !stop_requested)
		fprintf(stderr, "sluice-terminal: %s; trying again.\n", keying->message);
	keying->complained = 1;
	if (keying->job == JOB_CERTIFICATE) {
		keying->certificate_ns = now_ns + certificate_wait();
		return;
	}
	wait_ns = wait_next(keying);
	if (rc == -ECONNABORTED && keying->result.refusal.retry_after_s * 1000000000ull > wait_ns)
		wait_ns = keying->result.refusal.retry_after_s * 1000000000ull;
	keying->session_ns = now_ns + wait_ns;
}

void keying_silent(struct connection *connection, uint64_t now_ns)
{
	struct keying *keying = connection->keying;

	if (keying == NULL)
		return;
	keying->silent_ns = now_ns;
	if (keying->running && keying->job == JOB_SESSION)
		return;
	if (keying->session_ns != NEVER)
		return;
	/* A session that nobody answered at all: another may not help, so control is asked later.
	 */
	if (client_heard_ns(connection->client) <= keying->begun_ns)
		now_ns += wait_next(keying);
	keying->session_ns =
	    now_ns + connection->options->silence_ns + random_below(connection->options->spread_ns);
}

void keying_urgent(struct connection *connection, uint64_t now_ns)
{
	struct keying *keying = connection->keying;

	if (keying->needed)
		return;
	keying->needed = 1;
	if (!keying->running || keying->job != JOB_SESSION)
		keying->session_ns = now_ns;
}

uint64_t keying_step(struct connection *connection, uint64_t now_ns, uint64_t wait_ns)
{
	struct keying *keying = connection->keying;
	uint64_t heard_ns = client_heard_ns(connection->client), due_ns;

	if (keying->running && atomic_load_explicit(&keying->done, memory_order_acquire))
		job_finish(connection, now_ns);
	if (heard_ns > keying->begun_ns && keying->session_ns == NEVER && !keying->running)
		keying->wait_ns = WAIT_MIN_NS;
	if (keying->silent_ns != 0 && heard_ns > keying->silent_ns) {
		/* It is back, by itself or by RESET: no handshake. */
		keying->silent_ns = 0;
		if (!keying->needed)
			keying->session_ns = NEVER;
	}
	if (keying->expiry_ns <= now_ns) {
		keying->expiry_ns = NEVER;
		keying_urgent(connection, now_ns);
	}
	if (!keying->running && keying->session_ns <= now_ns)
		job_start(keying, JOB_SESSION, now_ns);
	if (!keying->running && keying->certificate_ns <= now_ns)
		job_start(keying, JOB_CERTIFICATE, now_ns);
	if (keying->running)
		return wait_ns < STEP_NS ? wait_ns : STEP_NS;
	due_ns = keying->session_ns < keying->certificate_ns ? keying->session_ns
	                                                     : keying->certificate_ns;
	if (keying->expiry_ns < due_ns)
		due_ns = keying->expiry_ns;
	return due_ns == NEVER || due_ns - now_ns > wait_ns ? wait_ns : due_ns - now_ns;
}

int identity_run(const struct options *options)
{
	struct client_keying_result result = { 0 };
	char message[CLIENT_KEYING_MESSAGE_SIZE] = "";
	struct client_keying_config config;
	int rc;

	if (strcmp(options->arguments[0], "identity") == 0) {
		rc = client_identity_make(options->out, options->deployment, options->terminal_id,
		    message, sizeof(message));
		if (rc == 0)
			printf(
			    "%s/" CLIENT_IDENTITY_REQUEST "\n"
			    "Next: have the operator enrol it (sluicectl terminal enroll), and put "
			    "the certificate and the trusted authorities there "
			    "as " CLIENT_IDENTITY_CERTIFICATE " and " CLIENT_IDENTITY_TRUST ".\n",
			    options->out);
	} else {
		config_fill(&config, options);
		config.timeout_ns = options->timeout_ns;
		rc = client_keying_renew(&config, &result, message, sizeof(message));
		if (rc == 0)
			printf(
			    "%s/" CLIENT_IDENTITY_CERTIFICATE " is renewed.\n", options->identity);
	}
	if (rc == 0)
		return EXIT_DONE;
	fprintf(stderr, "sluice-terminal: %s.\n", message);
	return rc == -EEXIST ? EXIT_REFUSED : exit_status(rc);
}
