/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cipher back end over OpenSSL EVP. The contexts are made and keyed once; per operation only the IV
 * is set, which neither allocates nor expands the key again.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/evp.h>

#include "wire/aead_backend.h"

struct openssl_state {
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};
_Static_assert(sizeof(struct openssl_state) <= AEAD_STATE_SIZE, "the contexts' pointers fit");

static struct openssl_state state_of(const struct aead_key *key)
{
	struct openssl_state state;

	memcpy(&state, key->state, sizeof(state));
	return state;
}

int aead_openssl_init(struct aead_key *key, const uint8_t secret[AEAD_KEY_SIZE])
{
	struct openssl_state state = {
		.seal = EVP_CIPHER_CTX_new(),
		.open = EVP_CIPHER_CTX_new(),
	};

	if (state.seal == NULL || state.open == NULL)
		goto fail;
	if (EVP_EncryptInit_ex(state.seal, EVP_aes_256_gcm(), NULL, secret, NULL) != 1)
		goto fail;
	if (EVP_DecryptInit_ex(state.open, EVP_aes_256_gcm(), NULL, secret, NULL) != 1)
		goto fail;
	memcpy(key->state, &state, sizeof(state));
	return 0;
fail:
	EVP_CIPHER_CTX_free(state.seal);
	EVP_CIPHER_CTX_free(state.open);
	return -ENOMEM;
}

void aead_openssl_seal(
    struct aead_key *key, const struct aead_operation *operation, uint8_t tag[AEAD_TAG_SIZE])
{
	EVP_CIPHER_CTX *context = state_of(key).seal;
	uint8_t block[16];
	int size = 0, ok;

	SLUICE_DEBUG_ASSERT(operation->text_size <= INT_MAX && operation->aad_size <= INT_MAX);
	ok = EVP_EncryptInit_ex(context, NULL, NULL, NULL, operation->nonce);
	if (operation->aad_size != 0)
		ok &= EVP_EncryptUpdate(
		    context, NULL, &size, operation->aad, (int)operation->aad_size);
	if (operation->text_size != 0)
		ok &= EVP_EncryptUpdate(
		    context, operation->out, &size, operation->text, (int)operation->text_size);
	ok &= EVP_EncryptFinal_ex(context, block, &size);
	ok &= EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, tag);
	/* Cannot fail on a keyed context; if it did, plaintext could leave the machine. */
	SLUICE_REQUIRE(ok == 1);
}

int aead_openssl_open(
    struct aead_key *key, const struct aead_operation *operation, const uint8_t tag[AEAD_TAG_SIZE])
{
	EVP_CIPHER_CTX *context = state_of(key).open;
	uint8_t block[16], expected[AEAD_TAG_SIZE];
	int size = 0, ok;

	SLUICE_DEBUG_ASSERT(operation->text_size <= INT_MAX && operation->aad_size <= INT_MAX);
	memcpy(expected, tag, sizeof(expected)); /* the call takes no const pointer */
	ok = EVP_DecryptInit_ex(context, NULL, NULL, NULL, operation->nonce);
	if (operation->aad_size != 0)
		ok &= EVP_DecryptUpdate(
		    context, NULL, &size, operation->aad, (int)operation->aad_size);
	if (operation->text_size != 0)
		ok &= EVP_DecryptUpdate(
		    context, operation->out, &size, operation->text, (int)operation->text_size);
	ok &= EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, expected);
	if (ok != 1)
		return -EBADMSG;
	return EVP_DecryptFinal_ex(context, block, &size) == 1 ? 0 : -EBADMSG;
}

void aead_openssl_release(struct aead_key *key)
{
	struct openssl_state state = state_of(key);

	EVP_CIPHER_CTX_free(state.seal); /* wipes the key schedule */
	EVP_CIPHER_CTX_free(state.open);
}
