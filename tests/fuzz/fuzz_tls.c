/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: connection_turn with serve_*, request_read, the ALPN choice: a connection of the key
 * server with OpenSSL, authority, database and sessions as control has them, over a socket pair.
 *
 * First byte, bits 0 to 2: 7: the rest are the connection's bytes; else who knocks (tls_client):
 * a real terminal of OpenSSL. Its handshake runs, with edits: a byte with their count, then for
 * each the flight (which write of the terminal), what to do, offset (2 bytes), value. The rest is
 * what it says inside TLS. Bit 3: bytes come in pieces; bit 4: it says goodbye at the end.
 *
 * Whatever comes, the server answers with messages of the protocol or closes, and keeps nothing of
 * who was not admitted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "control/log/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tls_bed.h"
#include "wire/keying/keying.h"

#define RAW          7u
#define PIECES       0x08u
#define GOODBYE      0x10u
#define EDIT_SIZE    5
#define EDITS_MAX    8u
#define ROUNDS_MAX   64
#define PIECE_SIZE   7
#define RENEWALS_MAX 500u /* then a new database: it lies in memory */
#define INPUT_MAX    (3 * KEYING_BODY_SIZE_MAX)

static struct tls_bed bed;
static uint64_t now_ns = 1;

struct talk {
	struct connection *connection; /* NULL: the server has closed */
	int fd;                        /* our end */
	uint8_t flags;
	const uint8_t *edits;
	unsigned edit_count, flight;
	SSL *ssl; /* the terminal's, on memory */
	BIO *in, *out;
};

static void bed_end(void)
{
	tls_bed_free(&bed);
}

static void bed_ready(void)
{
	static int started;

	if (started && bed.server->renewed < RENEWALS_MAX)
		return;
	if (started)
		tls_bed_free(&bed);
	else
		atexit(bed_end);
	started = 1;
	log_level_set(LOG_ERROR);
	tls_bed_make(&bed);
}

static void server_turn(struct talk *talk)
{
	now_ns += 1000;
	if (talk->connection != NULL && !connection_turn(bed.server, talk->connection, now_ns)) {
		connection_free(bed.server, talk->connection);
		talk->connection = NULL;
	}
}

/* Bytes to the server, which runs in between. */
static void deliver(struct talk *talk, const uint8_t *bytes, size_t size)
{
	size_t piece = talk->flags & PIECES ? PIECE_SIZE : 4096;

	while (size > 0 && talk->connection != NULL) {
		size_t step = size < piece ? size : piece;
		ssize_t sent = send(talk->fd, bytes, step, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN)
			return;
		server_turn(talk);
		if (sent < 0)
			return; /* the server takes no more: it waits for us to read */
		bytes += sent;
		size -= (size_t)sent;
	}
}

/* One flight of the terminal, changed as the input says. */
static size_t edit(const struct talk *talk, uint8_t *bytes, size_t size, size_t room)
{
	for (unsigned i = 0; i < talk->edit_count; i++) {
		const uint8_t *one = talk->edits + (size_t)i * EDIT_SIZE;
		size_t at = size > 0 ? (one[2] | (size_t)one[3] << 8) % size : 0;

		if (one[0] != talk->flight || size == 0)
			continue;
		if (one[1] % 5 == 0) {
			bytes[at] ^= one[4];
		} else if (one[1] % 5 == 1) {
			bytes[at] = one[4];
		} else if (one[1] % 5 == 2) {
			size = at; /* cut */
		} else if (one[1] % 5 == 3 && size < room) {
			memmove(bytes + at + 1, bytes + at, size - at);
			bytes[at] = one[4];
			size++;
		} else if (one[1] % 5 == 4) {
			memmove(bytes + at, bytes + at + 1, size - at - 1);
			size--;
		}
	}
	return size;
}

/* Both ways until nothing moves. 1: something did. */
static int pump(struct talk *talk)
{
	static uint8_t bytes[65536];
	int moved = 0, size = BIO_read(talk->out, bytes, sizeof(bytes) - EDITS_MAX);
	ssize_t got;

	if (size > 0) {
		deliver(talk, bytes, edit(talk, bytes, (size_t)size, sizeof(bytes)));
		talk->flight++;
		moved = 1;
	}
	server_turn(talk);
	while ((got = recv(talk->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		SLUICE_REQUIRE(BIO_write(talk->in, bytes, (int)got) == got);
		moved = 1;
	}
	return moved;
}

/* What the server says inside TLS: whole messages of the protocol, in plain order. */
static void answers_check(const uint8_t *bytes, size_t size)
{
	struct keying_header header;

	while (size >= sizeof(header)) {
		uint32_t length;

		memcpy(&header, bytes, sizeof(header));
		length = le32_get(header.length);
		SLUICE_REQUIRE(le16_get(header.version) == KEYING_VERSION);
		SLUICE_REQUIRE(le16_get(header.kind) == KEYING_ESTABLISHED ||
		               le16_get(header.kind) == KEYING_RENEWED ||
		               le16_get(header.kind) == KEYING_REFUSED);
		SLUICE_REQUIRE(length <= KEYING_BODY_SIZE_MAX && length + sizeof(header) <= size);
		bytes += sizeof(header) + length;
		size -= sizeof(header) + length;
	}
	SLUICE_REQUIRE(size == 0);
}

static void converse(struct talk *talk, const uint8_t *said, size_t said_size)
{
	static uint8_t heard[8 * REQUEST_SIZE_MAX];
	size_t heard_size = 0, step;
	int told = 0;

	for (int round = 0; round < ROUNDS_MAX; round++) {
		ERR_clear_error();
		if (SSL_is_init_finished(talk->ssl) == 0)
			(void)SSL_do_handshake(talk->ssl);
		if (SSL_is_init_finished(talk->ssl) && !told) {
			told = 1;
			if (said_size > 0)
				(void)SSL_write_ex(talk->ssl, said, said_size, &step);
			if (talk->flags & GOODBYE)
				(void)SSL_shutdown(talk->ssl);
		}
		while (heard_size < sizeof(heard) && SSL_read_ex(talk->ssl, heard + heard_size,
		                                         sizeof(heard) - heard_size, &step) == 1)
			heard_size += step;
		if (!pump(talk))
			break;
	}
	/* With edits, a message may have been cut on its way to the server, not back. */
	answers_check(heard, heard_size);
	if (talk->edit_count > 0 || SSL_version(talk->ssl) != TLS1_3_VERSION)
		return;
	SLUICE_REQUIRE(SSL_get_verify_mode(talk->ssl) == SSL_VERIFY_NONE);
}

static void terminal_talk(struct talk *talk, enum tls_client kind, const uint8_t *said, size_t size)
{
	uint64_t handshakes = bed.server->handshakes, established = bed.server->established;

	talk->ssl = SSL_new(bed.clients[kind]);
	talk->in = BIO_new(BIO_s_mem());
	talk->out = BIO_new(BIO_s_mem());
	SLUICE_REQUIRE(talk->ssl != NULL && talk->in != NULL && talk->out != NULL);
	SSL_set_bio(talk->ssl, talk->in, talk->out);
	SSL_set_connect_state(talk->ssl);
	converse(talk, said, size);
	SSL_free(talk->ssl);
	if (kind > TLS_CLIENT_BLOCKED)
		SLUICE_REQUIRE(bed.server->handshakes == handshakes);
	if (kind != TLS_CLIENT_ENROLLED)
		SLUICE_REQUIRE(bed.server->established == established);
}

static void use(const uint8_t *data, size_t size)
{
	struct talk talk = { .flags = data[0] };
	uint64_t handshakes = bed.server->handshakes;
	int pair[2];

	SLUICE_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	talk.fd = pair[0];
	talk.connection = connection_new(bed.server, pair[1], "192.0.2.1", now_ns);
	SLUICE_REQUIRE(talk.connection != NULL);
	if ((data[0] & 7u) == RAW) {
		deliver(&talk, data + 1, size - 1);
		SLUICE_REQUIRE(bed.server->handshakes == handshakes);
	} else if (size >= 2) {
		talk.edit_count = data[1] % (EDITS_MAX + 1);
		talk.edits = data + 2;
		if (size >= 2 + (size_t)talk.edit_count * EDIT_SIZE)
			terminal_talk(&talk, (enum tls_client)(data[0] & 7u),
			    data + 2 + talk.edit_count * EDIT_SIZE,
			    size - 2 - talk.edit_count * EDIT_SIZE);
	}
	if (talk.connection != NULL)
		connection_free(bed.server, talk.connection);
	close(talk.fd);
	tls_bed_check(&bed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_MAX)
		return 0;
	bed_ready();
	use(data, size);
	ERR_clear_error();
	return 0;
}
