/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a session out of a TLS connection (RFC 8446 7.5). Everything that must hold before is
 * checked here and not left to the callers: the exporter itself answers as soon as it has secrets,
 * which at a server is before the client has shown a certificate.
 */
#include "wire/keying/keying.h"

#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

static int certificate_hash(const X509 *certificate, uint8_t out[32])
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (certificate == NULL || X509_digest(certificate, EVP_sha256(), hash, &size) != 1 ||
	    size != 32)
		return -EIO;
	memcpy(out, hash, 32);
	return 0;
}

/* 1 when this connection may give a root. */
static int connection_good(SSL *ssl)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	const uint8_t *alpn = NULL;
	unsigned alpn_size = 0;

	SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
	return SSL_is_init_finished(ssl) && SSL_version(ssl) == TLS1_3_VERSION && cipher != NULL &&
	       SSL_CIPHER_get_protocol_id(cipher) == (TLS1_3_CK_AES_256_GCM_SHA384 & 0xffff) &&
	       alpn_size == sizeof(KEYING_ALPN) - 1 && memcmp(alpn, KEYING_ALPN, alpn_size) == 0 &&
	       !SSL_session_reused(ssl) && SSL_get0_peer_certificate(ssl) != NULL &&
	       SSL_get_verify_result(ssl) == X509_V_OK;
}

int keying_root_export(
    struct ssl_st *ssl, int server, struct keying_context *context, uint8_t root[KEYS_ROOT_SIZE])
{
	uint8_t bytes[sizeof(*context)], secret[KEYS_ROOT_SIZE];
	struct keying_context full = *context;
	const X509 *own, *peer;
	int error = -EIO;

	if (!connection_good(ssl))
		return -EPERM;
	own = SSL_get_certificate(ssl);
	peer = SSL_get0_peer_certificate(ssl);
	if (own == NULL)
		return -EPERM;
	if (certificate_hash(server ? own : peer, full.server_certificate_sha256) != 0 ||
	    certificate_hash(server ? peer : own, full.client_certificate_sha256) != 0)
		return -EIO;
	memcpy(bytes, &full, sizeof(bytes));
	if (SSL_export_keying_material(ssl, secret, sizeof(secret), KEYING_EXPORTER_LABEL,
	        sizeof(KEYING_EXPORTER_LABEL) - 1, bytes, sizeof(bytes), 1) == 1) {
		memcpy(root, secret, KEYS_ROOT_SIZE);
		*context = full;
		error = 0;
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return error;
}
