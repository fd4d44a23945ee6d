/* SPDX-License-Identifier: Apache-2.0 */
/* Making certificates. No text is ever put together into OpenSSL's configuration language. */
#include "control/keys/certificate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "wire/keying/keying.h"

#define DAY_S       86400
#define SERIAL_SIZE 20

int certificate_key_make(struct evp_pkey_st **out)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (key == NULL)
		return -EIO;
	*out = key;
	return 0;
}

/* Positive, 20 bytes always: the top bit clear, the next one set. */
static int serial_set(X509 *certificate, uint8_t serial[SERIAL_SIZE])
{
	BIGNUM *number = NULL;
	int done;

	if (RAND_bytes(serial, SERIAL_SIZE) != 1)
		return -EIO;
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	number = BN_bin2bn(serial, SERIAL_SIZE, NULL);
	done = number != NULL &&
	       BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return done ? 0 : -EIO;
}

static int subject_set(
    X509 *certificate, const struct certificate_wish *wish, const uint8_t serial[SERIAL_SIZE])
{
	X509_NAME *name = X509_NAME_new();
	char common[64];
	int done;

	switch (wish->kind) {
	case CERTIFICATE_AUTHORITY:
		/* Two authorities of one deployment have different names. */
		snprintf(common, sizeof(common), "authority %02x%02x%02x%02x", serial[1], serial[2],
		    serial[3], serial[4]);
		break;
	case CERTIFICATE_SERVER:
		snprintf(common, sizeof(common), "control");
		break;
	case CERTIFICATE_TERMINAL:
		snprintf(common, sizeof(common), "terminal-%" PRIu64, wish->terminal_id);
		break;
	}
	done = name != NULL &&
	       X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
	           (const unsigned char *)wish->deployment, -1, -1, 0) == 1 &&
	       X509_NAME_add_entry_by_txt(
	           name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) == 1 &&
	       X509_set_subject_name(certificate, name) == 1 &&
	       X509_set_issuer_name(certificate,
	           wish->issuer != NULL ? X509_get_subject_name(wish->issuer) : name) == 1;
	X509_NAME_free(name);
	return done ? 0 : -EIO;
}

static int validity_set(X509 *certificate, const struct certificate_wish *wish)
{
	time_t begin = (time_t)wish->now_s - CERTIFICATE_BACKDATE_S;
	time_t end = (time_t)(wish->now_s + wish->days * DAY_S);

	if (ASN1_TIME_set(X509_getm_notBefore(certificate), begin) == NULL ||
	    ASN1_TIME_set(X509_getm_notAfter(certificate), end) == NULL)
		return -EIO;
	if (wish->issuer == NULL)
		return 0;
	if (ASN1_TIME_compare(X509_get0_notAfter(certificate), X509_get0_notAfter(wish->issuer)) >
	        0 &&
	    X509_set1_notAfter(certificate, X509_get0_notAfter(wish->issuer)) != 1)
		return -EIO;
	return 0;
}

static int extension_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	int done;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return done ? 0 : -EIO;
}

/* The role, as a value and not as OpenSSL's configuration text, where a comma would end it. */
static int role_add(X509 *certificate, const struct certificate_wish *wish)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	char uri[KEYING_URI_SIZE_MAX];
	int error = -ENOMEM;

	if (names == NULL || name == NULL || text == NULL)
		goto out;
	error = keying_uri_write(
	    wish->deployment, wish->kind == CERTIFICATE_TERMINAL ? wish->terminal_id : 0, uri);
	if (error != 0)
		goto out;
	error = -EIO;
	if (ASN1_STRING_set(text, uri, -1) != 1)
		goto out;
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	text = NULL;
	if (sk_GENERAL_NAME_push(names, name) <= 0)
		goto out;
	name = NULL;
	if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1)
		error = 0;
out:
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return error;
}

static int extensions_add(X509 *certificate, const struct certificate_wish *wish)
{
	static const struct {
		int nid;
		const char *value[3]; /* by certificate_kind, NULL: none */
	} rows[] = {
		{ NID_basic_constraints,
		    { "critical,CA:TRUE,pathlen:0", "critical,CA:FALSE", "critical,CA:FALSE" } },
		{ NID_key_usage, { "critical,keyCertSign", "critical,digitalSignature",
		                     "critical,digitalSignature" } },
		{ NID_ext_key_usage, { NULL, "serverAuth", "clientAuth" } },
		{ NID_subject_key_identifier, { "hash", "hash", "hash" } },
		{ NID_authority_key_identifier, { NULL, "keyid:always", "keyid:always" } },
	};
	X509 *issuer = wish->issuer != NULL ? wish->issuer : certificate;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		const char *value = rows[i].value[wish->kind];

		if (value != NULL && extension_add(certificate, issuer, rows[i].nid, value) != 0)
			return -EIO;
	}
	return wish->kind == CERTIFICATE_AUTHORITY ? 0 : role_add(certificate, wish);
}

int certificate_make(const struct certificate_wish *wish, struct x509_st **out)
{
	X509 *certificate = X509_new();
	uint8_t serial[SERIAL_SIZE];
	int error = -ENOMEM;

	if (certificate == NULL)
		return -ENOMEM;
	if (X509_set_version(certificate, X509_VERSION_3) != 1)
		goto out;
	error = serial_set(certificate, serial);
	if (error == 0)
		error = subject_set(certificate, wish, serial);
	if (error == 0)
		error = validity_set(certificate, wish);
	if (error == 0 && X509_set_pubkey(certificate, wish->key) != 1)
		error = -EIO;
	if (error == 0)
		error = extensions_add(certificate, wish);
	if (error == 0 && X509_sign(certificate, wish->issuer != NULL ? wish->signer : wish->key,
	                      EVP_sha256()) == 0)
		error = -EIO;
out:
	if (error != 0) {
		X509_free(certificate);
		return error;
	}
	*out = certificate;
	return 0;
}
