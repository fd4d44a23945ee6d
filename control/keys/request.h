/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of terminals inside TLS, from bytes. Pure; total on hostile bytes. */
#ifndef SLUICE_CONTROL_KEYS_REQUEST_H
#define SLUICE_CONTROL_KEYS_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "wire/keying/keying.h"

#define REQUEST_SIZE_MAX (sizeof(struct keying_header) + KEYING_BODY_SIZE_MAX)

struct request {
	enum keying_kind kind; /* KEYING_ESTABLISH or KEYING_RENEW */
	size_t size;           /* of header and body */
	uint64_t local_time_ns;
	const uint8_t *pem; /* the certificate request, within the bytes given */
	size_t pem_size;
};

/*
 * Looks at what has come so far. 0: a whole request; -EAGAIN: wait for more; else the
 * keying_refusal number to answer with. What can only become a refusal is refused from the header
 * on.
 */
int request_read(const uint8_t *bytes, size_t size, struct request *request);

#endif
