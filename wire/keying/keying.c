/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/keying/keying.h"

#include <errno.h>

#include <openssl/evp.h>

#define REFUSAL_NAME(number, name, text) [number] = #name,
#define REFUSAL_TEXT(number, name, text) [number] = (text),
static const char *const refusal_names[] = { KEYING_REFUSALS(REFUSAL_NAME) };
static const char *const refusal_texts[] = { KEYING_REFUSALS(REFUSAL_TEXT) };

const char *keying_refusal_name(unsigned code)
{
	return code < SLUICE_ARRAY_COUNT(refusal_names) ? refusal_names[code] : NULL;
}

const char *keying_refusal_text(unsigned code)
{
	return code < SLUICE_ARRAY_COUNT(refusal_texts) ? refusal_texts[code] : NULL;
}

int keying_header_read(const uint8_t *bytes, size_t size, enum keying_kind *kind, uint32_t *length)
{
	struct keying_header header;

	if (size < sizeof(header))
		return -EAGAIN;
	memcpy(&header, bytes, sizeof(header));
	if (le16_get(header.version) != KEYING_VERSION)
		return -EPROTO;
	if (le32_get(header.length) > KEYING_BODY_SIZE_MAX)
		return -EMSGSIZE;
	*kind = (enum keying_kind)le16_get(header.kind);
	*length = le32_get(header.length);
	return 0;
}

int keying_deployment_hash(const char *deployment, uint8_t out[32])
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	size_t size = 0;

	if (EVP_Q_digest(NULL, "SHA256", NULL, deployment, strlen(deployment), hash, &size) != 1 ||
	    size != 32)
		return -EIO;
	memcpy(out, hash, 32);
	return 0;
}
