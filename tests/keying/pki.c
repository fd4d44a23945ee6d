/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/keying/pki.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/test.h"

static void extension_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

struct pki pki_make(const struct pki_wish *wish, const struct pki *issuer)
{
	struct pki pki = { X509_new(), EVP_EC_gen("P-256") };
	static long serial = 1;
	X509_NAME *name = X509_NAME_new();
	char text[600];

	assert_non_null(pki.certificate);
	assert_non_null(pki.key);
	X509_set_version(pki.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(pki.certificate), ++serial);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)(wish->common_name != NULL ? wish->common_name : "test"), -1, -1,
	    0);
	X509_set_subject_name(pki.certificate, name);
	X509_set_issuer_name(
	    pki.certificate, issuer != NULL ? X509_get_subject_name(issuer->certificate) : name);
	X509_NAME_free(name);
	X509_gmtime_adj(X509_getm_notBefore(pki.certificate),
	    wish->begin_s == 0 && wish->end_s == 0 ? -3600 : wish->begin_s);
	X509_gmtime_adj(X509_getm_notAfter(pki.certificate),
	    wish->begin_s == 0 && wish->end_s == 0 ? 3600 : wish->end_s);
	X509_set_pubkey(pki.certificate, pki.key);
	extension_add(pki.certificate, pki.certificate, NID_basic_constraints,
	    wish->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extension_add(pki.certificate, pki.certificate, NID_subject_key_identifier, "hash");
	if (issuer != NULL)
		extension_add(
		    pki.certificate, issuer->certificate, NID_authority_key_identifier, "keyid");
	if (wish->usage != NULL)
		extension_add(pki.certificate, pki.certificate, NID_ext_key_usage, wish->usage);
	if (wish->uri != NULL) {
		snprintf(text, sizeof(text), "URI:%s%s%s", wish->uri,
		    wish->uri2 != NULL ? ",URI:" : "", wish->uri2 != NULL ? wish->uri2 : "");
		extension_add(pki.certificate, pki.certificate, NID_subject_alt_name, text);
	}
	assert_true(
	    X509_sign(pki.certificate, issuer != NULL ? issuer->key : pki.key, EVP_sha256()) > 0);
	return pki;
}

void pki_free(struct pki *pki)
{
	X509_free(pki->certificate);
	EVP_PKEY_free(pki->key);
	*pki = (struct pki){ NULL, NULL };
}

static EVP_PKEY *key_make(const char *type)
{
	if (strcmp(type, "RSA-1024") == 0)
		return EVP_RSA_gen(1024);
	if (strcmp(type, "RSA-2048") == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(type, "ED25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_EC_gen(type);
}

char *pki_request(const char *common_name, const char *key_type, EVP_PKEY **key)
{
	X509_REQ *request = X509_REQ_new();
	EVP_PKEY *made = key_make(key_type);
	BIO *bio = BIO_new(BIO_s_mem());
	X509_NAME *name = X509_NAME_new();
	char *text, *copy;
	long size;

	assert_non_null(made);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
	X509_REQ_set_subject_name(request, name);
	X509_NAME_free(name);
	X509_REQ_set_pubkey(request, made);
	assert_true(X509_REQ_sign(
	                request, made, strcmp(key_type, "ED25519") == 0 ? NULL : EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509_REQ(bio, request), 1);
	size = BIO_get_mem_data(bio, &text);
	copy = calloc(1, (size_t)size + 1);
	assert_non_null(copy);
	memcpy(copy, text, (size_t)size);
	BIO_free(bio);
	X509_REQ_free(request);
	if (key != NULL)
		*key = made;
	else
		EVP_PKEY_free(made);
	return copy;
}
