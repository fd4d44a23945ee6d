/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, good and bad ones, made without control's own code. */
#ifndef SLUICE_TESTS_KEYING_PKI_H
#define SLUICE_TESTS_KEYING_PKI_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

struct pki {
	X509 *certificate;
	EVP_PKEY *key;
};

struct pki_wish {
	const char *common_name;
	const char *uri, *uri2; /* NULL: none */
	const char *usage;      /* "clientAuth", "serverAuth", NULL: none */
	long begin_s, end_s;    /* from now; 0, 0: an hour ago to an hour ahead */
	int authority;          /* may sign */
};

/* `issuer` NULL: signs itself. Fails the test when OpenSSL does. */
struct pki pki_make(const struct pki_wish *wish, const struct pki *issuer);
void pki_free(struct pki *pki);
/* PEM certificate request of a new key; the caller's to free(). */
char *pki_request(const char *common_name, const char *key_type, EVP_PKEY **key);

#endif
