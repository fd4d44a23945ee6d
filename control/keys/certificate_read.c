/* SPDX-License-Identifier: Apache-2.0 */
/* Reading certificates, keys and requests; a request comes from a terminal and may be anything. */
#include "control/keys/certificate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "control/keys/files.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096 /* larger ones only cost time to check */

/* OpenSSL would ask on the terminal for the password of an encrypted PEM. */
static int no_password(char *out, int size, int writing, void *context)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static int key_good(EVP_PKEY *key)
{
	static const char *const groups[] = { "prime256v1", "secp384r1", "secp521r1" };
	char group[64];
	int explicit_parameters = 0;

	if (EVP_PKEY_is_a(key, "RSA"))
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
		       EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
	if (!EVP_PKEY_is_a(key, "EC") ||
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return 0;
	/* A curve spelled out would be copied into the certificate, which no verifier takes. */
	if (EVP_PKEY_get_int_param(
	        key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_parameters) != 1 ||
	    explicit_parameters != 0)
		return 0;
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(groups); i++)
		if (strcmp(group, groups[i]) == 0)
			return 1;
	return 0;
}

int certificate_request_read(const char *pem, size_t size, struct X509_req_st **out)
{
	BIO *bio;
	X509_REQ *request = NULL;
	EVP_PKEY *key;
	int error = -EBADMSG;

	if (size > INT_MAX)
		return -EBADMSG;
	bio = BIO_new_mem_buf(pem, (int)size);
	if (bio == NULL)
		return -ENOMEM;
	request = PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL);
	if (request == NULL)
		goto out;
	error = -EKEYREJECTED;
	key = X509_REQ_get0_pubkey(request);
	if (key == NULL || !key_good(key) || X509_REQ_verify(request, key) != 1)
		goto out;
	error = 0;
	*out = request;
	request = NULL;
out:
	X509_REQ_free(request);
	BIO_free(bio);
	ERR_clear_error();
	return error;
}

int certificate_request_other(struct X509_req_st *request, uint64_t terminal_id)
{
	static const char prefix[] = "terminal-";
	char name[64], want[64];

	if (X509_NAME_get_text_by_NID(
	        X509_REQ_get_subject_name(request), NID_commonName, name, sizeof(name)) <= 0)
		return 0;
	snprintf(want, sizeof(want), "%s%llu", prefix, (unsigned long long)terminal_id);
	return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && strcmp(name, want) != 0;
}

int certificate_read(const char *pem, size_t size, struct x509_st **out)
{
	BIO *bio = size <= INT_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (certificate == NULL)
		return -EBADMSG;
	*out = certificate;
	return 0;
}

int certificate_key_read(const char *pem, size_t size, struct evp_pkey_st **out)
{
	BIO *bio = size <= INT_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL)
		return -EBADMSG;
	*out = key;
	return 0;
}

/* Takes the memory's text with a zero behind it. */
static int bio_take(BIO *bio, char **pem, size_t *size)
{
	char *text, *copy;
	long length = BIO_get_mem_data(bio, &text);

	if (length <= 0)
		return -EIO;
	copy = malloc((size_t)length + 1);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, text, (size_t)length);
	copy[length] = '\0';
	*pem = copy;
	*size = (size_t)length;
	return 0;
}

int certificate_write(const struct x509_st *certificate, char **pem, size_t *size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int error = -EIO;

	if (bio != NULL && PEM_write_bio_X509(bio, certificate) == 1)
		error = bio_take(bio, pem, size);
	BIO_free(bio);
	return error;
}

int certificate_key_write(const struct evp_pkey_st *key, char **pem, size_t *size)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
	int error = -EIO;

	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		error = bio_take(bio, pem, size);
	BIO_free(bio);
	return error;
}

int certificate_matches(const struct x509_st *certificate, const struct evp_pkey_st *key)
{
	EVP_PKEY *own = X509_get0_pubkey(certificate);

	return own != NULL && key != NULL && EVP_PKEY_eq(own, key) == 1;
}

static int time_read(const ASN1_TIME *field, uint64_t *out)
{
	struct tm tm;
	time_t time;

	if (ASN1_TIME_to_tm(field, &tm) != 1)
		return -EBADMSG;
	time = timegm(&tm);
	if (time < 0)
		return -EBADMSG;
	*out = (uint64_t)time;
	return 0;
}

int certificate_facts_read(const struct x509_st *certificate, struct certificate_facts *facts)
{
	struct certificate_facts read = { .subject = "" };
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	int error = -EBADMSG;

	if (serial == NULL || BN_bn2binpad(serial, read.serial, sizeof(read.serial)) < 0)
		goto out;
	if (X509_digest(certificate, EVP_sha256(), hash, &size) != 1 || size != sizeof(read.sha256))
		goto out;
	memcpy(read.sha256, hash, sizeof(read.sha256));
	if (time_read(X509_get0_notBefore(certificate), &read.not_before_s) != 0 ||
	    time_read(X509_get0_notAfter(certificate), &read.not_after_s) != 0)
		goto out;
	X509_NAME_oneline(
	    X509_get_subject_name(certificate), read.subject, (int)sizeof(read.subject));
	*facts = read;
	error = 0;
out:
	BN_free(serial);
	return error;
}
