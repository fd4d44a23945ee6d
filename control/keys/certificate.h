/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates of Sluice (profile: wire/README.md section 3): making, reading, comparing.
 * Version 3, EC P-256 keys of ours, ecdsa-with-SHA256, random serials of 158 bits.
 */
#ifndef SLUICE_CONTROL_KEYS_CERTIFICATE_H
#define SLUICE_CONTROL_KEYS_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

struct evp_pkey_st;
struct x509_st;
struct X509_req_st;

/* Clocks differ: certificates begin this much before they are made. */
#define CERTIFICATE_BACKDATE_S 3600

enum certificate_kind {
	CERTIFICATE_AUTHORITY, /* signs itself */
	CERTIFICATE_SERVER,
	CERTIFICATE_TERMINAL,
};

struct certificate_wish {
	enum certificate_kind kind;
	const char *deployment;
	uint64_t terminal_id;       /* of a CERTIFICATE_TERMINAL */
	uint64_t now_s, days;       /* ends `days` from now, never after its issuer */
	struct evp_pkey_st *key;    /* public half goes in; of an authority also signs */
	struct x509_st *issuer;     /* NULL for an authority */
	struct evp_pkey_st *signer; /* the issuer's key */
};

/* All make: 0 with *out the caller's to free with OpenSSL's function; -EIO, -EINVAL, -ENOMEM. */
SLUICE_MUST_USE int certificate_key_make(struct evp_pkey_st **out);
SLUICE_MUST_USE int certificate_make(const struct certificate_wish *wish, struct x509_st **out);

/*
 * Reads a PKCS #10 request (PEM, `size` bytes) and checks its signature with its own key. 0;
 * -EBADMSG: no request; -EKEYREJECTED: the key is too weak or of another kind, or the signature is
 * wrong. Total on hostile bytes.
 */
SLUICE_MUST_USE int certificate_request_read(
    const char *pem, size_t size, struct X509_req_st **out);
/* 1 when the request's common name is terminal-<another id>: a mix-up of files. */
int certificate_request_other(struct X509_req_st *request, uint64_t terminal_id);

/* PEM, one or more in a row for certificates (only the first is read). -EBADMSG. */
SLUICE_MUST_USE int certificate_read(const char *pem, size_t size, struct x509_st **out);
SLUICE_MUST_USE int certificate_key_read(const char *pem, size_t size, struct evp_pkey_st **out);
/* PEM with a zero behind; the caller's to free(), a key's with files_free. */
SLUICE_MUST_USE int certificate_write(const struct x509_st *certificate, char **pem, size_t *size);
SLUICE_MUST_USE int certificate_key_write(const struct evp_pkey_st *key, char **pem, size_t *size);

/* 1 when the key is the certificate's. */
int certificate_matches(const struct x509_st *certificate, const struct evp_pkey_st *key);

struct certificate_facts {
	uint8_t sha256[32];
	uint8_t serial[20]; /* big-endian */
	uint64_t not_before_s, not_after_s;
	char subject[160];
};
SLUICE_MUST_USE int certificate_facts_read(
    const struct x509_st *certificate, struct certificate_facts *facts);

#endif
