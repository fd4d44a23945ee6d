/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key server of one connection on loopback, in a thread, for the terminal's side of key
 * establishment: it answers well, or wrongly in the way a test asks for. With it an authority that
 * signs what a test needs.
 */
#ifndef SLUICE_TESTS_KEY_PEER_H
#define SLUICE_TESTS_KEY_PEER_H

#include <pthread.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "wire/keying/keying.h"

#define KEY_PEER_DEPLOYMENT "test-lab"
#define KEY_PEER_TERMINAL   77u
#define KEY_PEER_SESSION    (7u << 20 | 5)

struct key_authority {
	EVP_PKEY *key;
	X509 *certificate;
};

void key_authority_make(struct key_authority *authority, const char *name);
void key_authority_free(struct key_authority *authority);
/* A certificate for `key` with this role; valid from..to seconds from now. `server`: its use. */
X509 *key_authority_sign(const struct key_authority *authority, EVP_PKEY *key, const char *uri,
    int server, long from_s, long to_s);
void key_pem_write(
    const char *directory, const char *name, X509 *const *certificates, unsigned count);

/* A fresh directory under /tmp, with an enrolled terminal's files in it when `authority` is given.
 */
char *key_directory_make(const struct key_authority *authority, long from_s, long to_s);
void key_directory_remove(char *directory);

enum key_peer_answer {
	PEER_GOOD,
	PEER_REFUSE,       /* with refusal and retry_after_s */
	PEER_REFUSE_SHORT, /* REFUSED without its fields */
	PEER_TRUNCATED,    /* the header, half of the body, and the end */
	PEER_GARBAGE,      /* bytes that are no message */
	PEER_OTHER_VERSION,
	PEER_TOO_LONG,
	PEER_OTHER_KIND,
	PEER_SILENT,    /* handshake, then nothing */
	PEER_DEAF,      /* accepts and never says a byte */
	PEER_HANG_UP,   /* ends the connection before TLS */
	PEER_NOT_TLS,   /* talks something else */
	PEER_LONG_TAIL, /* more fields than this version knows */
	PEER_LENGTHS,   /* RENEWED with lengths beyond its end */
	PEER_OTHER_KEY, /* RENEWED with a certificate for another key */
	PEER_OTHER_CA,  /* RENEWED with a certificate of another authority */
};

struct key_peer {
	/* Set before key_peer_start; zero: the good value. */
	const struct key_authority *authority;
	const struct key_authority *clients; /* whose terminals it accepts; NULL: authority's */
	const char *uri, *alpn;
	long certificate_from_s, certificate_to_s;
	int tls_1_2, no_alpn;
	enum key_peer_answer answer;
	uint16_t refusal, retry_after_s;
	const char *refusal_text;
	/* Made for PEER_GOOD; a test may change it before the start. */
	struct keying_established established;
	/* What came of it, after key_peer_end. */
	int handshake_done, asked;
	enum keying_kind kind;
	uint8_t request[KEYING_BODY_SIZE_MAX];
	uint32_t request_size;
	int root_result;
	uint8_t root[KEYS_ROOT_SIZE];
	/* Own. */
	char address[32];
	int listener;
	pthread_t thread;
};

/* A good server's values. */
void key_peer_init(struct key_peer *peer, const struct key_authority *authority);
void key_peer_start(struct key_peer *peer);
/* Waits until it has served its connection (or never got one). */
void key_peer_end(struct key_peer *peer);

#endif
