/* SPDX-License-Identifier: Apache-2.0 */
#include "control/keys/request.h"

#include <errno.h>

static int establish_read(const uint8_t *body, struct request *request)
{
	struct keying_establish establish;

	memcpy(&establish, body, sizeof(establish));
	if (!bytes_all_zero(establish.reserved, sizeof(establish.reserved)))
		return KEYING_REFUSAL_BAD_REQUEST;
	if (le16_get(establish.aead) != KEYING_AEAD_AES256GCM)
		return KEYING_REFUSAL_AEAD_UNSUPPORTED;
	request->local_time_ns = le64_get(establish.local_time_ns);
	return 0;
}

int request_read(const uint8_t *bytes, size_t size, struct request *request)
{
	struct request read = { .pem = NULL };
	const uint8_t *body = bytes + sizeof(struct keying_header);
	uint32_t length = 0;
	int result = keying_header_read(bytes, size, &read.kind, &length);

	if (result == -EAGAIN)
		return -EAGAIN;
	if (result != 0 || (read.kind != KEYING_ESTABLISH && read.kind != KEYING_RENEW) ||
	    length < (read.kind == KEYING_ESTABLISH ? sizeof(struct keying_establish) : 1))
		return KEYING_REFUSAL_BAD_REQUEST;
	read.size = sizeof(struct keying_header) + length;
	if (size < read.size)
		return -EAGAIN;
	if (read.kind == KEYING_ESTABLISH) {
		result = establish_read(body, &read);
	} else {
		read.pem = body;
		read.pem_size = length;
		/* It is handled as text: a zero would hide what is behind it. */
		result = memchr(body, '\0', length) == NULL ? 0 : KEYING_REFUSAL_BAD_REQUEST;
	}
	if (result == 0)
		*request = read;
	return result;
}
