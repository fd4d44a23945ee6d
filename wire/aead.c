/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagram protection: nonce and layout of the wire (wire/README.md 2) over either back end.
 */
#include "wire/aead.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "wire/aead_backend.h"

enum aead_backend aead_backend_default(void)
{
	return aead_ipsec_mb_usable() ? AEAD_IPSEC_MB : AEAD_OPENSSL;
}

const char *aead_backend_name(enum aead_backend backend)
{
	switch (backend) {
	case AEAD_IPSEC_MB:
		return "ipsec-mb";
	case AEAD_OPENSSL:
		return "openssl";
	}
	return "none";
}

int aead_key_init(struct aead_key *key, enum aead_backend backend,
    const uint8_t secret[AEAD_KEY_SIZE], const uint8_t iv[AEAD_IV_SIZE])
{
	int error;

	switch (backend) {
	case AEAD_IPSEC_MB:
		if (!aead_ipsec_mb_usable())
			return -ENOTSUP;
		aead_ipsec_mb_init(key, secret);
		break;
	case AEAD_OPENSSL:
		error = aead_openssl_init(key, secret);
		if (error != 0)
			return error;
		break;
	default:
		return -ENOTSUP;
	}
	memcpy(key->iv, iv, AEAD_IV_SIZE);
	key->backend = (uint8_t)backend;
	return 0;
}

static void seal(
    struct aead_key *key, const struct aead_operation *operation, uint8_t tag[AEAD_TAG_SIZE])
{
	/* Sending under an empty key would send plaintext. */
	SLUICE_REQUIRE(key->backend == AEAD_IPSEC_MB || key->backend == AEAD_OPENSSL);
	if (SLUICE_LIKELY(key->backend == AEAD_IPSEC_MB))
		aead_ipsec_mb_seal(key, operation, tag);
	else
		aead_openssl_seal(key, operation, tag);
}

static int open_checked(
    struct aead_key *key, const struct aead_operation *operation, const uint8_t tag[AEAD_TAG_SIZE])
{
	if (SLUICE_LIKELY(key->backend == AEAD_IPSEC_MB))
		return aead_ipsec_mb_open(key, operation, tag);
	if (key->backend == AEAD_OPENSSL)
		return aead_openssl_open(key, operation, tag);
	return -EBADMSG;
}

/* iv XOR (0000 || LE64(packet number)): the number is little-endian in the header already. */
static void datagram_nonce(
    const struct aead_key *key, const uint8_t *header, uint8_t nonce[AEAD_IV_SIZE])
{
	const size_t number_at = offsetof(struct frame_header, packet_number);
	uint64_t number, low;

	memcpy(nonce, key->iv, AEAD_IV_SIZE);
	memcpy(&number, header + number_at, sizeof(number));
	memcpy(&low, nonce + 4, sizeof(low));
	low ^= number;
	memcpy(nonce + 4, &low, sizeof(low));
}

void aead_seal(struct aead_key *key, uint8_t *datagram, size_t text_size)
{
	uint8_t *text = datagram + LIMIT_FRAME_HEADER_SIZE;
	uint8_t nonce[AEAD_IV_SIZE];

	datagram_nonce(key, datagram, nonce);
	seal(key,
	    &(struct aead_operation){
	        .nonce = nonce,
	        .aad = datagram,
	        .aad_size = LIMIT_FRAME_HEADER_SIZE,
	        .text = text,
	        .text_size = text_size,
	        .out = text,
	    },
	    text + text_size);
}

int aead_open(struct aead_key *key, uint8_t *datagram, size_t text_size)
{
	uint8_t *text = datagram + LIMIT_FRAME_HEADER_SIZE;
	uint8_t nonce[AEAD_IV_SIZE];

	datagram_nonce(key, datagram, nonce);
	return open_checked(key,
	    &(struct aead_operation){
	        .nonce = nonce,
	        .aad = datagram,
	        .aad_size = LIMIT_FRAME_HEADER_SIZE,
	        .text = text,
	        .text_size = text_size,
	        .out = text,
	    },
	    text + text_size);
}

void aead_seal_raw(struct aead_key *key, const uint8_t nonce[AEAD_IV_SIZE], const uint8_t *aad,
    size_t aad_size, const uint8_t *text, size_t text_size, uint8_t *out,
    uint8_t tag[AEAD_TAG_SIZE])
{
	seal(key,
	    &(struct aead_operation){
	        .nonce = nonce,
	        .aad = aad,
	        .aad_size = aad_size,
	        .text = text,
	        .text_size = text_size,
	        .out = out,
	    },
	    tag);
}

int aead_open_raw(struct aead_key *key, const uint8_t nonce[AEAD_IV_SIZE], const uint8_t *aad,
    size_t aad_size, const uint8_t *text, size_t text_size, uint8_t *out,
    const uint8_t tag[AEAD_TAG_SIZE])
{
	return open_checked(key,
	    &(struct aead_operation){
	        .nonce = nonce,
	        .aad = aad,
	        .aad_size = aad_size,
	        .text = text,
	        .text_size = text_size,
	        .out = out,
	    },
	    tag);
}

void aead_key_wipe(struct aead_key *key)
{
	if (key->backend == AEAD_OPENSSL)
		aead_openssl_release(key);
	OPENSSL_cleanse(key, sizeof(*key));
}
