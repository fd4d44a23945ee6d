/* SPDX-License-Identifier: Apache-2.0 */
#include "control/keys/context.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "wire/keying/keying.h"

/* A client that offers ALPN without ours is refused here; one without ALPN after the handshake. */
static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_size,
    const unsigned char *in, unsigned in_size, void *context)
{
	static const unsigned char alpn[] = KEYING_ALPN;

	(void)ssl;
	(void)context;
	for (unsigned at = 0; at < in_size; at += 1u + in[at]) {
		if (in[at] == sizeof(alpn) - 1 && in_size - at > in[at] &&
		    memcmp(in + at + 1, alpn, sizeof(alpn) - 1) == 0) {
			*out = alpn;
			*out_size = sizeof(alpn) - 1;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int options_set(SSL_CTX *context)
{
	char groups[] = "X25519:P-256:P-384"; /* the macro casts const away */

	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                              SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* Terminals are signed by an authority directly (pathlen 0). */
	SSL_CTX_set_verify_depth(context, 0);
	SSL_CTX_set_alpn_select_cb(context, alpn_select, NULL);
	/* The longest chain that could be ours is one certificate. */
	SSL_CTX_set_max_cert_list(context, 16384);
	return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") == 1 &&
	       SSL_CTX_set1_groups_list(context, groups) == 1 &&
	       SSL_CTX_set_num_tickets(context, 0) == 1 &&
	       SSL_CTX_set_max_early_data(context, 0) == 1;
}

int context_server_make(struct x509_st *certificate, struct evp_pkey_st *key,
    struct x509_st *const trusted[], size_t trusted_count, struct ssl_ctx_st **out)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	int error = -EIO;

	if (context == NULL)
		return -ENOMEM;
	if (!options_set(context) || SSL_CTX_use_certificate(context, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
		goto out;
	for (size_t i = 0; i < trusted_count; i++) {
		if (trusted[i] == NULL)
			continue;
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), trusted[i]) != 1)
			goto out;
	}
	if (SSL_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) != 1)
		goto out;
	*out = context;
	context = NULL;
	error = 0;
out:
	SSL_CTX_free(context);
	if (error != 0)
		ERR_clear_error();
	return error;
}
