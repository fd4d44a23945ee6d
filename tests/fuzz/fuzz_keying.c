/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: request_read, keying_header_read, certificate_request_read, keying_role_read: what a
 * terminal can send to the key server inside TLS, and the names in its certificate.
 *
 * First byte: bit 0: the rest is the body of a RENEW, its header made right; bit 1: the rest is a
 * DER certificate whose role is read; else the rest is the connection's bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "control/keys/certificate.h"
#include "control/keys/request.h"
#include "tests/fuzz/fuzz.h"
#include "wire/limits.h"

static void request_check(const uint8_t *bytes, size_t size)
{
	struct request request = { .size = 0 };
	int result = request_read(bytes, size, &request);
	X509_REQ *parsed = NULL;

	if (result != 0) {
		SLUICE_REQUIRE(result == -EAGAIN || keying_refusal_name((unsigned)result) != NULL);
		SLUICE_REQUIRE(request.size == 0);
		return;
	}
	SLUICE_REQUIRE(request.size <= size && request.size <= REQUEST_SIZE_MAX);
	SLUICE_REQUIRE(request.kind == KEYING_ESTABLISH || request.kind == KEYING_RENEW);
	/* The same bytes without the last one are not a whole request. */
	SLUICE_REQUIRE(request_read(bytes, request.size - 1, &request) == -EAGAIN);
	if (request.kind != KEYING_RENEW)
		return;
	SLUICE_REQUIRE(request.pem == bytes + sizeof(struct keying_header));
	SLUICE_REQUIRE(request.pem + request.pem_size <= bytes + size);
	SLUICE_REQUIRE(memchr(request.pem, '\0', request.pem_size) == NULL);
	if (certificate_request_read((const char *)request.pem, request.pem_size, &parsed) == 0) {
		SLUICE_REQUIRE(parsed != NULL);
		(void)certificate_request_other(parsed, 7);
		X509_REQ_free(parsed);
	} else {
		SLUICE_REQUIRE(parsed == NULL);
	}
}

static void role_check(const uint8_t *der, size_t size)
{
	X509 *certificate = d2i_X509(NULL, &der, (long)size);
	uint64_t terminal_id = UINT64_MAX;
	int result;

	if (certificate != NULL) {
		result = keying_role_read(certificate, "fuzz", &terminal_id);
		SLUICE_REQUIRE(result == 0 || result == -ENOENT || result == -EPROTO);
		SLUICE_REQUIRE(
		    result == 0 ? terminal_id <= LIMIT_TERMINAL_ID_MAX : terminal_id == UINT64_MAX);
	}
	X509_free(certificate);
	ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keying_header header = { le16_make(KEYING_VERSION), le16_make(KEYING_RENEW), { 0 } };
	uint8_t *bytes;

	if (size < 1 || size > 4 * REQUEST_SIZE_MAX)
		return 0;
	/* A copy of just that size, so that a sanitizer sees a byte too far. */
	bytes = malloc(sizeof(header) + size);
	SLUICE_REQUIRE(bytes != NULL);
	if (data[0] & 2) {
		memcpy(bytes, data + 1, size - 1);
		role_check(bytes, size - 1);
	} else if (data[0] & 1) {
		header.length = le32_make((uint32_t)(size - 1));
		memcpy(bytes, &header, sizeof(header));
		memcpy(bytes + sizeof(header), data + 1, size - 1);
		request_check(bytes, sizeof(header) + size - 1);
	} else {
		memcpy(bytes, data + 1, size - 1);
		request_check(bytes, size - 1);
	}
	free(bytes);
	return 0;
}
