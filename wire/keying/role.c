/* SPDX-License-Identifier: Apache-2.0 */
/* Roles in certificates: URI subject alternative names, urn:sluice:DEPLOYMENT:... */
#include "wire/keying/keying.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <openssl/x509v3.h>

#include "wire/limits.h"

#define URI_PREFIX          "urn:sluice:"
#define DEPLOYMENT_SIZE_MAX 64
#define ID_DIGITS_MAX       20

int keying_uri_write(const char *deployment, uint64_t terminal_id, char out[KEYING_URI_SIZE_MAX])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	size_t size = strnlen(deployment, DEPLOYMENT_SIZE_MAX + 1);

	if (size == 0 || size > DEPLOYMENT_SIZE_MAX || strspn(deployment, allowed) != size)
		return -EINVAL;
	if (terminal_id == 0)
		snprintf(out, KEYING_URI_SIZE_MAX, URI_PREFIX "%s:control", deployment);
	else
		snprintf(out, KEYING_URI_SIZE_MAX, URI_PREFIX "%s:terminal:%" PRIu64, deployment,
		    terminal_id);
	return 0;
}

/* The digits of a terminal's URI: 1.. without leading zero, so that an id has one spelling. */
static int id_read(const uint8_t *text, size_t size, uint64_t *id)
{
	uint64_t value = 0;

	if (size == 0 || size >= ID_DIGITS_MAX || text[0] == '0')
		return -EPROTO;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EPROTO;
		value = 10 * value + (uint64_t)(text[i] - '0');
	}
	if (value > LIMIT_TERMINAL_ID_MAX)
		return -EPROTO;
	*id = value;
	return 0;
}

static int uri_read(const uint8_t *text, size_t size, const char *deployment, uint64_t *id)
{
	static const char terminal[] = ":terminal:", control[] = ":control";
	size_t name = strlen(deployment);

	text += sizeof(URI_PREFIX) - 1;
	size -= sizeof(URI_PREFIX) - 1;
	if (size < name || memcmp(text, deployment, name) != 0)
		return -ENOENT;
	text += name;
	size -= name;
	if (size == sizeof(control) - 1 && memcmp(text, control, size) == 0) {
		*id = 0;
		return 0;
	}
	if (size < sizeof(terminal) - 1 || memcmp(text, terminal, sizeof(terminal) - 1) != 0)
		return -ENOENT;
	return id_read(text + sizeof(terminal) - 1, size - (sizeof(terminal) - 1), id);
}

int keying_role_read(
    const struct x509_st *certificate, const char *deployment, uint64_t *terminal_id)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0, result = -ENOENT;
	unsigned found = 0;
	uint64_t id = 0;

	for (int i = 0; i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const uint8_t *text;
		size_t size;

		if (name->type != GEN_URI)
			continue;
		text = ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
		size = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
		if (size < sizeof(URI_PREFIX) - 1 ||
		    memcmp(text, URI_PREFIX, sizeof(URI_PREFIX) - 1) != 0)
			continue;
		result = ++found == 1 ? uri_read(text, size, deployment, &id) : -EPROTO;
		if (found > 1)
			break;
	}
	GENERAL_NAMES_free(names);
	if (result == 0)
		*terminal_id = id;
	return result;
}
