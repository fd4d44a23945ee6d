/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to wire/aead*.c: what a cipher back end provides. Plain functions, not a table of
 * pointers: the branch on the key's back end is the same for every packet, so it is predicted.
 */
#ifndef SLUICE_WIRE_AEAD_BACKEND_H
#define SLUICE_WIRE_AEAD_BACKEND_H

#include "wire/aead.h"

/* One operation. `out` may be `text`. */
struct aead_operation {
	const uint8_t *nonce, *aad, *text;
	uint8_t *out;
	size_t aad_size, text_size;
};

/* 1 when the library is built in and the CPU has AES-NI. Thread-safe. */
int aead_ipsec_mb_usable(void);
void aead_ipsec_mb_init(struct aead_key *key, const uint8_t secret[AEAD_KEY_SIZE]);
void aead_ipsec_mb_seal(
    struct aead_key *key, const struct aead_operation *operation, uint8_t tag[AEAD_TAG_SIZE]);
SLUICE_MUST_USE int aead_ipsec_mb_open(
    struct aead_key *key, const struct aead_operation *operation, const uint8_t tag[AEAD_TAG_SIZE]);

/* 0 or -ENOMEM; the key is untouched then. */
SLUICE_MUST_USE int aead_openssl_init(struct aead_key *key, const uint8_t secret[AEAD_KEY_SIZE]);
void aead_openssl_seal(
    struct aead_key *key, const struct aead_operation *operation, uint8_t tag[AEAD_TAG_SIZE]);
SLUICE_MUST_USE int aead_openssl_open(
    struct aead_key *key, const struct aead_operation *operation, const uint8_t tag[AEAD_TAG_SIZE]);
void aead_openssl_release(struct aead_key *key);

#endif
