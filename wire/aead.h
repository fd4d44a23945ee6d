/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM (NIST SP 800-38D) behind four functions, with two back ends: libipsec-mb (x86, the
 * default there) and OpenSSL EVP (everywhere, and the cross-check). A key is expanded once; only
 * the nonce changes per datagram.
 */
#ifndef SLUICE_WIRE_AEAD_H
#define SLUICE_WIRE_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/messages.h"

#define AEAD_KEY_SIZE 32
#define AEAD_IV_SIZE  12
#define AEAD_TAG_SIZE 16
/*
 * Room for either back end's expanded key, in place: no pointer chase on the packet path. The size
 * of libipsec-mb's gcm_key_data (checked where it is used); with iv and back end a key is 16 cache
 * lines.
 */
#define AEAD_STATE_SIZE 1008

enum aead_backend {
	AEAD_IPSEC_MB = 1,
	AEAD_OPENSSL = 2,
};

/* One direction's key under one epoch. Belongs to one thread; wipe before reuse or release. */
struct aead_key {
	_Alignas(64) uint8_t state[AEAD_STATE_SIZE];
	uint8_t iv[AEAD_IV_SIZE];
	uint8_t backend; /* enum aead_backend; 0: empty */
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct aead_key) == 1024, "16 cache lines");

/* The back end used when none is asked for: ipsec-mb where the CPU has it, else OpenSSL. */
enum aead_backend aead_backend_default(void);
const char *aead_backend_name(enum aead_backend backend);

/*
 * Expands key[32] and keeps iv[12]. 0; -ENOTSUP when the back end is not built or the CPU lacks it;
 * -ENOMEM. May allocate (OpenSSL): call at key installation, never per packet.
 */
SLUICE_MUST_USE int aead_key_init(struct aead_key *key, enum aead_backend backend,
    const uint8_t secret[AEAD_KEY_SIZE], const uint8_t iv[AEAD_IV_SIZE]);

/*
 * Seals in place: datagram = header (16 B, additional data) | text_size bytes of plaintext | room
 * for the tag (16 B). nonce = iv XOR (0000 || LE64(packet number of the header)). The caller never
 * uses a packet number twice under one key.
 */
void aead_seal(struct aead_key *key, uint8_t *datagram, size_t text_size);

/*
 * Opens in place; same layout. 0, or -EBADMSG with the text bytes undefined: the caller must drop
 * the buffer.
 */
SLUICE_MUST_USE int aead_open(struct aead_key *key, uint8_t *datagram, size_t text_size);

/* The same with a free nonce and additional data: for the published vectors. */
void aead_seal_raw(struct aead_key *key, const uint8_t nonce[AEAD_IV_SIZE], const uint8_t *aad,
    size_t aad_size, const uint8_t *text, size_t text_size, uint8_t *out,
    uint8_t tag[AEAD_TAG_SIZE]);
SLUICE_MUST_USE int aead_open_raw(struct aead_key *key, const uint8_t nonce[AEAD_IV_SIZE],
    const uint8_t *aad, size_t aad_size, const uint8_t *text, size_t text_size, uint8_t *out,
    const uint8_t tag[AEAD_TAG_SIZE]);

/* Wipes the key material and releases what init took. Safe on an empty key. */
void aead_key_wipe(struct aead_key *key);

#endif
