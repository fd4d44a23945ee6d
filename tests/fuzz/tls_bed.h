/* SPDX-License-Identifier: Apache-2.0 */
/* The key server's parts without its thread, and terminals of several kinds, for fuzz_tls. */
#ifndef SLUICE_TESTS_FUZZ_TLS_BED_H
#define SLUICE_TESTS_FUZZ_TLS_BED_H

#include <openssl/ssl.h>

#include "control/keys/internal.h"

enum tls_client {
	TLS_CLIENT_ENROLLED,
	TLS_CLIENT_UNKNOWN,    /* our certificate for a terminal that was never enrolled */
	TLS_CLIENT_BLOCKED,    /* enrolled, then blocked */
	TLS_CLIENT_STRANGER,   /* a certificate of its own making */
	TLS_CLIENT_BARE,       /* no certificate */
	TLS_CLIENT_NO_ALPN,    /* enrolled, names no protocol */
	TLS_CLIENT_OTHER_ALPN, /* names another one */
	TLS_CLIENT_COUNT,
};

struct tls_bed {
	char folder[64];
	struct control_config config;
	struct database *database;
	struct authority *authority;
	struct sessions *sessions;
	struct key_server *server;
	SSL_CTX *clients[TLS_CLIENT_COUNT];
};

void tls_bed_make(struct tls_bed *bed);
void tls_bed_free(struct tls_bed *bed);
/* What a terminal may have, after every connection: nothing reserved, nothing half made. */
void tls_bed_check(const struct tls_bed *bed);

#endif
