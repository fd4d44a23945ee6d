/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client/keying_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "wire/client/identity_files.h"
#include "wire/client/udp.h"

#define POLL_MS_MAX 100 /* how late `stop` may be seen */

/*
 * Waits until the socket is ready for `events`. 0, -ETIMEDOUT or -ECANCELED. Errors of the socket
 * show in the call that follows.
 */
static int wire_wait(struct keying_wire *wire, short events)
{
	struct pollfd poll_fd = { .fd = wire->fd, .events = events };

	for (;;) {
		uint64_t now_ns = client_udp_now_ns(), left_ms;
		int count;

		if (wire->config->stop != NULL && wire->config->stop(wire->config->context)) {
			identity_say(wire->message, wire->message_size, "stopped");
			return -ECANCELED;
		}
		if (now_ns >= wire->end_ns) {
			identity_say(wire->message, wire->message_size,
			    "no answer from the key server at %s in time", wire->config->address);
			return -ETIMEDOUT;
		}
		left_ms = (wire->end_ns - now_ns) / 1000000 + 1;
		count = poll(&poll_fd, 1, left_ms < POLL_MS_MAX ? (int)left_ms : POLL_MS_MAX);
		if (count > 0)
			return 0;
		if (count < 0 && errno != EINTR)
			return -errno;
	}
}

static int network_failed(struct keying_wire *wire, int error)
{
	identity_say(wire->message, wire->message_size, "cannot reach the key server at %s: %s",
	    wire->config->address, strerror(error));
	return -error;
}

static int tcp_connect(struct keying_wire *wire)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(int);
	int error = 0, one = 1, rc = client_udp_address(wire->config->address, &address);

	if (rc < 0) {
		identity_say(
		    wire->message, wire->message_size, "%s is not IP:PORT", wire->config->address);
		return rc;
	}
	wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (wire->fd < 0)
		return network_failed(wire, errno);
	(void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(wire->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return network_failed(wire, errno);
	rc = wire_wait(wire, POLLOUT);
	if (rc < 0)
		return rc;
	if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	return error != 0 ? network_failed(wire, error) : 0;
}

/* What OpenSSL's last failure means. Clears its queue. */
static int tls_failed(struct keying_wire *wire, int ssl_error)
{
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
	const char *text = ERR_reason_error_string(error);
	long verified = SSL_get_verify_result(wire->ssl);
	int rc = -EPROTO;

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		identity_say(wire->message, wire->message_size,
		    "the key server at %s has a certificate we do not trust: %s",
		    wire->config->address, X509_verify_cert_error_string(verified));
		rc = -EACCES;
	} else if (reason >= SSL_AD_REASON_OFFSET) {
		identity_say(wire->message, wire->message_size,
		    "the key server at %s refused the connection: %s", wire->config->address,
		    text != NULL ? text : "alert");
		rc = -ECONNRESET;
	} else if (ssl_error == SSL_ERROR_ZERO_RETURN || ssl_error == SSL_ERROR_SYSCALL ||
	           reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		identity_say(wire->message, wire->message_size,
		    "the key server at %s ended the connection", wire->config->address);
		rc = -ECONNRESET;
	} else {
		identity_say(wire->message, wire->message_size, "TLS with %s failed: %s",
		    wire->config->address, text != NULL ? text : "unknown reason");
	}
	ERR_clear_error();
	return rc;
}

enum step { STEP_CONNECT, STEP_READ, STEP_WRITE };

/* Does one step to its end: `done` bytes (1 for the handshake). */
static int tls_step(
    struct keying_wire *wire, enum step step, uint8_t *bytes, size_t size, size_t *done)
{
	for (;;) {
		int result, error, rc;

		ERR_clear_error();
		*done = 1;
		if (step == STEP_CONNECT)
			result = SSL_connect(wire->ssl);
		else if (step == STEP_READ)
			result = SSL_read_ex(wire->ssl, bytes, size, done);
		else
			result = SSL_write_ex(wire->ssl, bytes, size, done);
		if (result == 1)
			return 0;
		error = SSL_get_error(wire->ssl, result);
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
			return tls_failed(wire, error);
		rc = wire_wait(wire, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
		if (rc < 0)
			return rc;
	}
}

static SSL_CTX *context_make(struct client_identity *identity)
{
	static const unsigned char alpn[] = "\x08" KEYING_ALPN;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	_Static_assert(sizeof(KEYING_ALPN) - 1 == 8, "the length byte of alpn");
	if (context == NULL)
		return NULL;
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set1_cert_store(context, identity->trust);
	if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") == 1 &&
	    SSL_CTX_set_alpn_protos(context, alpn, sizeof(alpn) - 1) == 0 &&
	    SSL_CTX_use_certificate(context, identity->certificate) == 1 &&
	    SSL_CTX_use_PrivateKey(context, identity->key) == 1)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

/* Chain and validity are OpenSSL's part and are done; whose certificate it is, is ours. */
static int server_check(struct keying_wire *wire)
{
	const unsigned char *alpn = NULL;
	unsigned alpn_size = 0;
	uint64_t role = 1;

	SSL_get0_alpn_selected(wire->ssl, &alpn, &alpn_size);
	if (alpn_size != sizeof(KEYING_ALPN) - 1 || memcmp(alpn, KEYING_ALPN, alpn_size) != 0) {
		identity_say(wire->message, wire->message_size,
		    "the server at %s speaks another protocol than " KEYING_ALPN,
		    wire->config->address);
		return -EACCES;
	}
	if (SSL_get_verify_result(wire->ssl) != X509_V_OK ||
	    SSL_get0_peer_certificate(wire->ssl) == NULL ||
	    keying_role_read(
	        SSL_get0_peer_certificate(wire->ssl), wire->config->deployment, &role) < 0 ||
	    role != 0) {
		identity_say(wire->message, wire->message_size,
		    "the server at %s is not the control of deployment \"%s\"",
		    wire->config->address, wire->config->deployment);
		return -EACCES;
	}
	return 0;
}

int keying_wire_open(struct keying_wire *wire, const struct client_keying_config *config,
    struct client_identity *identity, uint8_t *handshakes, char *message, size_t message_size)
{
	uint64_t timeout_ns =
	    config->timeout_ns != 0 ? config->timeout_ns : CLIENT_KEYING_TIMEOUT_NS;
	SSL_CTX *context;
	size_t done;
	int rc;

	*wire = (struct keying_wire){ .config = config,
		.fd = -1,
		.end_ns = client_udp_now_ns() + timeout_ns,
		.message = message,
		.message_size = message_size };
	rc = tcp_connect(wire);
	if (rc < 0)
		return rc;
	context = context_make(identity);
	if (context != NULL)
		wire->ssl = SSL_new(context);
	SSL_CTX_free(context);
	if (wire->ssl == NULL || SSL_set_fd(wire->ssl, wire->fd) != 1) {
		identity_say(message, message_size, "cannot set up TLS");
		ERR_clear_error();
		return -EIO;
	}
	rc = tls_step(wire, STEP_CONNECT, NULL, 0, &done);
	if (rc < 0)
		return rc;
	*handshakes = 1;
	return server_check(wire);
}

void keying_wire_close(struct keying_wire *wire)
{
	/* After a failure OpenSSL refuses by itself to say close_notify. */
	if (wire->ssl != NULL && SSL_is_init_finished(wire->ssl))
		(void)SSL_shutdown(wire->ssl);
	SSL_free(wire->ssl);
	wire->ssl = NULL;
	if (wire->fd >= 0)
		close(wire->fd);
	wire->fd = -1;
	ERR_clear_error();
}

static int read_exactly(struct keying_wire *wire, uint8_t *bytes, size_t size)
{
	while (size > 0) {
		size_t done;
		int rc = tls_step(wire, STEP_READ, bytes, size, &done);

		if (rc < 0)
			return rc;
		bytes += done;
		size -= done;
	}
	return 0;
}

static int malformed(struct keying_wire *wire, const char *what)
{
	identity_say(wire->message, wire->message_size,
	    "the key server at %s sent a malformed answer: %s", wire->config->address, what);
	return -EPROTO;
}

/* The sentence control sent may be anything: only what is printable of it is shown. */
static int refused(struct keying_wire *wire, const uint8_t *body, size_t size,
    struct client_keying_refusal *refusal)
{
	struct keying_refused fields;
	char text[160];
	size_t used = 0;
	const char *name;

	if (size < sizeof(fields))
		return malformed(wire, "REFUSED is too short");
	memcpy(&fields, body, sizeof(fields));
	refusal->code = le16_get(fields.code);
	refusal->retry_after_s = le16_get(fields.retry_after_s);
	for (size_t i = sizeof(fields); i < size && used + 1 < sizeof(text); i++) {
		if (body[i] >= ' ' && body[i] != 0x7f)
			text[used++] = (char)body[i];
	}
	text[used] = '\0';
	name = keying_refusal_name(refusal->code);
	if (used == 0 && keying_refusal_text(refusal->code) != NULL)
		identity_say(wire->message, wire->message_size, "refused by control: %s (%s)",
		    keying_refusal_text(refusal->code), name);
	else
		identity_say(wire->message, wire->message_size, "refused by control: %s (%s)", text,
		    name != NULL ? name : "a reason this version does not know");
	return -ECONNABORTED;
}

int keying_wire_ask(struct keying_wire *wire, enum keying_kind kind, const void *request,
    size_t request_size, enum keying_kind expected, uint8_t body[KEYING_BODY_SIZE_MAX],
    size_t *size, struct client_keying_refusal *refusal)
{
	struct keying_header header = { le16_make(KEYING_VERSION), le16_make((uint16_t)kind),
		le32_make((uint32_t)request_size) };
	uint8_t bytes[sizeof(header)];
	enum keying_kind answered;
	uint32_t length;
	size_t done;
	int rc;

	SLUICE_REQUIRE(request_size <= KEYING_BODY_SIZE_MAX);
	/* One record: `body` is not in use yet. Without partial writes a write does all of it. */
	memcpy(bytes, &header, sizeof(bytes));
	rc = tls_step(wire, STEP_WRITE, bytes, sizeof(bytes), &done);
	if (rc == 0) {
		memcpy(body, request, request_size);
		rc = tls_step(wire, STEP_WRITE, body, request_size, &done);
	}
	if (rc == 0)
		rc = read_exactly(wire, bytes, sizeof(bytes));
	if (rc < 0)
		return rc;
	rc = keying_header_read(bytes, sizeof(bytes), &answered, &length);
	if (rc < 0)
		return malformed(wire, rc == -EMSGSIZE ? "too long" : "another version");
	rc = read_exactly(wire, body, length);
	if (rc < 0)
		return rc;
	if (answered == KEYING_REFUSED)
		return refused(wire, body, length, refusal);
	if (answered != expected)
		return malformed(wire, "not what was asked for");
	*size = length;
	return 0;
}
