/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key schedule of wire/README.md 3 and the RESET's MAC. Runs at key installation and per RESET,
 * never per datagram.
 */
#include "wire/keys.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#define INFO_SIZE_MAX  32
#define RESET_SIGNED   offsetof(struct frame_reset, mac)
#define RESET_MAC_SIZE sizeof(((struct frame_reset *)0)->mac)
#define SHA256_SIZE    32
#define DERIVED_SIZE   (AEAD_KEY_SIZE + AEAD_IV_SIZE)
static const char reset_info[] = "sluice v1 reset";

/* HKDF-Expand (RFC 5869 2.3) with SHA-384 and `root` as PRK. */
static int expand(const uint8_t root[KEYS_ROOT_SIZE], const void *info, size_t info_size,
    uint8_t *out, size_t out_size)
{
	char digest[] = "SHA384";
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	uint8_t prk[KEYS_ROOT_SIZE], info_copy[INFO_SIZE_MAX];
	OSSL_PARAM params[5];
	EVP_KDF_CTX *context = NULL;
	EVP_KDF *kdf = NULL;
	int error = -EIO;

	if (info_size > sizeof(info_copy))
		return -EIO;
	memcpy(prk, root, sizeof(prk)); /* OSSL_PARAM takes no const pointers */
	memcpy(info_copy, info, info_size);
	params[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, prk, sizeof(prk));
	params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info_copy, info_size);
	params[4] = OSSL_PARAM_construct_end();

	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	if (kdf == NULL)
		goto out;
	context = EVP_KDF_CTX_new(kdf);
	if (context == NULL)
		goto out;
	if (EVP_KDF_derive(context, out, out_size, params) == 1)
		error = 0;
out:
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	OPENSSL_cleanse(prk, sizeof(prk));
	return error;
}

int keys_derive(const uint8_t root[KEYS_ROOT_SIZE], enum keys_direction direction, uint16_t epoch,
    uint64_t boot_id, uint8_t secret[AEAD_KEY_SIZE], uint8_t iv[AEAD_IV_SIZE])
{
	/* sizeof counts the zero behind the label, which is part of the info. */
	static const char to_switch[] = "sluice v1 to switch";
	static const char to_terminal[] = "sluice v1 to terminal";
	const char *label = direction == KEYS_TO_SWITCH ? to_switch : to_terminal;
	size_t size = direction == KEYS_TO_SWITCH ? sizeof(to_switch) : sizeof(to_terminal);
	struct le16 epoch_field = le16_make(epoch);
	struct le64 boot_field = le64_make(boot_id);
	uint8_t info[INFO_SIZE_MAX], derived[DERIVED_SIZE];
	int error;

	_Static_assert(
	    sizeof(to_terminal) + sizeof(epoch_field) + sizeof(boot_field) == INFO_SIZE_MAX,
	    "the longest info");
	memcpy(info, label, size);
	memcpy(info + size, &epoch_field, sizeof(epoch_field));
	size += sizeof(epoch_field);
	memcpy(info + size, &boot_field, sizeof(boot_field));
	size += sizeof(boot_field);
	error = expand(root, info, size, derived, sizeof(derived));
	if (error == 0) {
		memcpy(secret, derived, AEAD_KEY_SIZE);
		memcpy(iv, derived + AEAD_KEY_SIZE, AEAD_IV_SIZE);
	}
	OPENSSL_cleanse(derived, sizeof(derived));
	return error;
}

int keys_derive_reset(const uint8_t root[KEYS_ROOT_SIZE], uint8_t reset_key[KEYS_RESET_SIZE])
{
	uint8_t derived[KEYS_RESET_SIZE];
	int error = expand(root, reset_info, sizeof(reset_info) - 1, derived, sizeof(derived));

	if (error == 0)
		memcpy(reset_key, derived, KEYS_RESET_SIZE);
	OPENSSL_cleanse(derived, sizeof(derived));
	return error;
}

static int reset_mac(const struct frame_reset *reset, const uint8_t reset_key[KEYS_RESET_SIZE],
    uint8_t mac[SHA256_SIZE])
{
	uint8_t bytes[sizeof(*reset)];
	unsigned size = 0;

	memcpy(bytes, reset, sizeof(bytes));
	if (HMAC(EVP_sha256(), reset_key, KEYS_RESET_SIZE, bytes, RESET_SIGNED, mac, &size) == NULL)
		return -EIO;
	return size == SHA256_SIZE ? 0 : -EIO;
}

int keys_reset_sign(struct frame_reset *reset, const uint8_t reset_key[KEYS_RESET_SIZE])
{
	uint8_t mac[SHA256_SIZE];
	int error = reset_mac(reset, reset_key, mac);

	if (error == 0)
		memcpy(reset->mac, mac, RESET_MAC_SIZE);
	return error;
}

int keys_reset_verify(const struct frame_reset *reset, const uint8_t reset_key[KEYS_RESET_SIZE])
{
	uint8_t mac[SHA256_SIZE];
	int error = reset_mac(reset, reset_key, mac);

	if (error != 0)
		return error;
	return CRYPTO_memcmp(mac, reset->mac, RESET_MAC_SIZE) == 0 ? 0 : -EBADMSG;
}
