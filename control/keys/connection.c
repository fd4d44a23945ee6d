/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a terminal: TLS without waiting, and which state comes next. */
#include "control/keys/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "control/log/log.h"

/* What a step of a state came to. */
enum step {
	STEP_AGAIN, /* another state: go on */
	STEP_WAIT,  /* for `events` */
	STEP_CLOSE,
};

static uint64_t timeout_ns(const struct key_server *server)
{
	return server->config.keys.handshake_timeout_ms * INTERNAL_NS_PER_MS;
}

struct connection *connection_new(
    struct key_server *server, int fd, const char *address, uint64_t now_ns)
{
	SSL_CTX *context = authority_server_context(server->settings.authority);
	struct connection *connection = NULL;

	if (context == NULL)
		return NULL;
	connection = calloc(1, sizeof(*connection));
	if (connection != NULL)
		connection->ssl = SSL_new(context); /* keeps its own reference */
	SSL_CTX_free(context);
	if (connection == NULL || connection->ssl == NULL || SSL_set_fd(connection->ssl, fd) != 1) {
		if (connection != NULL)
			SSL_free(connection->ssl);
		free(connection);
		return NULL;
	}
	SSL_set_accept_state(connection->ssl);
	connection->fd = fd;
	connection->events = EPOLLIN;
	connection->begun_ns = now_ns;
	connection->deadline_ns = now_ns + timeout_ns(server);
	snprintf(connection->address, sizeof(connection->address), "%s", address);
	return connection;
}

void connection_free(struct key_server *server, struct connection *connection)
{
	serve_undo(server, connection);
	SSL_free(connection->ssl);
	close(connection->fd);
	OPENSSL_cleanse(connection, sizeof(*connection));
	free(connection);
	ERR_clear_error();
}

/* No more is sent; the peer is read out, so that what was sent is not lost to a reset. */
static enum step drain_begin(struct connection *connection, uint64_t now_ns)
{
	(void)shutdown(connection->fd, SHUT_WR);
	connection->state = CONNECTION_DRAIN;
	connection->deadline_ns = now_ns + INTERNAL_DRAIN_NS;
	return STEP_AGAIN;
}

/* After a call of OpenSSL that did not succeed: what to wait for. */
static enum step want(struct connection *connection, int result)
{
	switch (SSL_get_error(connection->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		connection->events = EPOLLIN;
		return STEP_WAIT;
	case SSL_ERROR_WANT_WRITE:
		connection->events = EPOLLOUT;
		return STEP_WAIT;
	default:
		return STEP_CLOSE;
	}
}

static enum step handshake(
    struct key_server *server, struct connection *connection, uint64_t now_ns)
{
	unsigned refusal;
	int result;
	long verify;

	ERR_clear_error();
	result = SSL_do_handshake(connection->ssl);
	if (result != 1) {
		if (want(connection, result) == STEP_WAIT)
			return STEP_WAIT;
		verify = SSL_get_verify_result(connection->ssl);
		if (verify != X509_V_OK)
			INTERNAL_COUNT(server, certificate_refused);
		INTERNAL_COUNT(server, handshake_failures);
		/* Anyone can cause this one: no more than a line for those who look. */
		log_event(LOG_DEBUG, "keys", "handshake_failed", NULL, "%s from %s",
		    verify != X509_V_OK ? X509_verify_cert_error_string(verify)
		                        : "TLS handshake failed",
		    connection->address);
		return drain_begin(connection, now_ns);
	}
	connection->deadline_ns = now_ns + timeout_ns(server);
	refusal = serve_peer(server, connection);
	if (refusal != 0) {
		serve_refuse(server, connection, refusal);
	} else {
		INTERNAL_COUNT(server, handshakes);
		connection->state = CONNECTION_REQUEST;
	}
	return STEP_AGAIN;
}

static enum step request(struct key_server *server, struct connection *connection, uint64_t now_ns)
{
	struct request read;
	int result = request_read(connection->in, connection->in_size, &read);
	size_t size = 0;

	if (result == 0) {
		connection->requests++;
		serve_request(server, connection, &read, now_ns);
		connection->in_size -= read.size;
		memmove(connection->in, connection->in + read.size, connection->in_size);
		return STEP_AGAIN;
	}
	if (result != -EAGAIN) {
		serve_refuse(server, connection, (unsigned)result);
		return STEP_AGAIN;
	}
	/* A request that is not whole is shorter than the room for it. */
	ERR_clear_error();
	result = SSL_read_ex(connection->ssl, connection->in + connection->in_size,
	    sizeof(connection->in) - connection->in_size, &size);
	if (result != 1)
		return want(connection, result);
	connection->in_size += size;
	return STEP_AGAIN;
}

static enum step answer(struct key_server *server, struct connection *connection, uint64_t now_ns)
{
	size_t size = 0;
	int result;

	ERR_clear_error();
	result = SSL_write_ex(connection->ssl, connection->out + connection->out_sent,
	    connection->out_size - connection->out_sent, &size);
	if (result != 1)
		return want(connection, result);
	connection->out_sent += size;
	if (connection->out_sent < connection->out_size)
		return STEP_AGAIN;
	if (connection->offer_state == OFFER_ESTABLISHED) {
		connection->offer_state = OFFER_NONE;
		INTERNAL_COUNT(server, established);
		log_event(LOG_INFO, "keys", "session_established",
		    &(struct log_ids){ .terminal = connection->terminal_id,
		        .session = connection->offer.session_id },
		    "session established from %s", connection->address);
	}
	if (connection->closing || connection->requests >= KEYING_REQUESTS_MAX) {
		(void)SSL_shutdown(connection->ssl);
		return drain_begin(connection, now_ns);
	}
	connection->deadline_ns = now_ns + timeout_ns(server);
	connection->state = CONNECTION_REQUEST;
	return STEP_AGAIN;
}

static enum step drain(struct connection *connection)
{
	uint8_t bytes[4096];
	ssize_t size = read(connection->fd, bytes, sizeof(bytes));

	connection->events = EPOLLIN;
	if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR)))
		return STEP_WAIT;
	return STEP_CLOSE;
}

int connection_turn(struct key_server *server, struct connection *connection, uint64_t now_ns)
{
	enum step step = STEP_AGAIN;

	while (step == STEP_AGAIN) {
		switch (connection->state) {
		case CONNECTION_HANDSHAKE:
			step = handshake(server, connection, now_ns);
			break;
		case CONNECTION_REQUEST:
			step = request(server, connection, now_ns);
			break;
		case CONNECTION_WAIT:
			serve_wait(server, connection, now_ns);
			connection->events = 0; /* a reset is told all the same */
			step = connection->state == CONNECTION_WAIT ? STEP_WAIT : STEP_AGAIN;
			break;
		case CONNECTION_ANSWER:
			step = answer(server, connection, now_ns);
			break;
		case CONNECTION_DRAIN:
			step = drain(connection);
			break;
		}
	}
	return step == STEP_WAIT;
}
