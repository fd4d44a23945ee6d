/* SPDX-License-Identifier: Apache-2.0 */
/* What a terminal's key, request and certificates are; identity_files.c holds where they lie. */
#include "wire/client/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "wire/client/identity_files.h"
#include "wire/keying/keying.h"

int client_identity_key(struct evp_pkey_st **key)
{
	EVP_PKEY *made = EVP_EC_gen("P-256");

	if (made == NULL)
		return -EIO;
	*key = made;
	return 0;
}

/* The role as subject alternative name. 0 or -EIO. */
static int role_add(X509_REQ *request, const char *uri)
{
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *extension = NULL;
	char value[KEYING_URI_SIZE_MAX + 8];
	int rc = -EIO;

	snprintf(value, sizeof(value), "URI:%s", uri);
	if (extensions != NULL)
		extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
	if (extension != NULL && sk_X509_EXTENSION_push(extensions, extension) > 0) {
		if (X509_REQ_add_extensions(request, extensions) == 1)
			rc = 0;
	} else {
		X509_EXTENSION_free(extension);
	}
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return rc;
}

static int request_sign(X509_REQ *request, EVP_PKEY *key, const char *uri, uint64_t terminal_id)
{
	X509_NAME *name = X509_REQ_get_subject_name(request);
	char common[40];

	snprintf(common, sizeof(common), "terminal-%" PRIu64, terminal_id);
	if (X509_NAME_add_entry_by_txt(
	        name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) != 1 ||
	    X509_REQ_set_pubkey(request, key) != 1 || role_add(request, uri) < 0 ||
	    X509_REQ_sign(request, key, EVP_sha256()) <= 0)
		return -EIO;
	return 0;
}

/* What a memory BIO holds, as text of the caller's. 0 or -ENOMEM. */
static int bio_take(BIO *bio, char **text, size_t *size)
{
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	char *copy = length > 0 ? malloc((size_t)length + 1) : NULL;

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, data, (size_t)length);
	copy[length] = '\0';
	*text = copy;
	*size = (size_t)length;
	return 0;
}

int client_identity_request(struct evp_pkey_st *key, const char *deployment, uint64_t terminal_id,
    char **pem, size_t *pem_size)
{
	X509_REQ *request = NULL;
	char uri[KEYING_URI_SIZE_MAX];
	BIO *bio = NULL;
	int rc = -EIO;

	if (terminal_id == 0 || keying_uri_write(deployment, terminal_id, uri) < 0)
		return -EINVAL;
	request = X509_REQ_new();
	bio = BIO_new(BIO_s_mem());
	if (request == NULL || bio == NULL)
		goto out;
	rc = request_sign(request, key, uri, terminal_id);
	if (rc == 0)
		rc =
		    PEM_write_bio_X509_REQ(bio, request) == 1 ? bio_take(bio, pem, pem_size) : -EIO;
out:
	ERR_clear_error();
	X509_REQ_free(request);
	BIO_free(bio);
	return rc;
}

/* A private key as PEM; wipe it after use. 0, -EIO or -ENOMEM. */
static int key_text(EVP_PKEY *key, char **text, size_t *size)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	int rc = -EIO;

	if (bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		rc = bio_take(bio, text, size);
	BIO_free(bio); /* wipes its memory */
	return rc;
}

int client_identity_make(const char *directory, const char *deployment, uint64_t terminal_id,
    char *message, size_t message_size)
{
	struct identity_files files;
	EVP_PKEY *key = NULL;
	char *request = NULL, *secret = NULL;
	size_t request_size = 0, secret_size = 0;
	int rc;

	rc = identity_files_open(directory, 1, &files, message, message_size);
	if (rc < 0)
		return rc;
	rc = client_identity_key(&key);
	if (rc == 0)
		rc = client_identity_request(key, deployment, terminal_id, &request, &request_size);
	if (rc == 0)
		rc = key_text(key, &secret, &secret_size);
	if (rc < 0) {
		identity_say(message, message_size,
		    rc == -EINVAL
		        ? "terminal id or deployment is not valid: letters, digits, '.', '-' and "
		          "'_', at most 64, and an id above 0"
		        : "cannot make a key: the cryptographic library failed");
		goto out;
	}
	rc = identity_files_create(
	    &files, secret, secret_size, request, request_size, message, message_size);
out:
	if (secret != NULL)
		explicit_bzero(secret, secret_size);
	free(secret);
	free(request);
	EVP_PKEY_free(key);
	identity_files_close(&files);
	return rc;
}

static EVP_PKEY *key_parse(const char *text, size_t size)
{
	char password[1] = "";
	BIO *bio = BIO_new_mem_buf(text, (int)size);
	/* The empty password: an encrypted key is refused instead of asked for on the terminal. */
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, password);

	BIO_free(bio);
	return key;
}

static X509 *certificate_parse(const char *text, size_t size)
{
	BIO *bio = BIO_new_mem_buf(text, (int)size);
	X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return certificate;
}

/* Every certificate of the text; NULL unless there is at least one. */
static X509_STORE *trust_parse(const char *text, size_t size)
{
	BIO *bio = BIO_new_mem_buf(text, (int)size);
	X509_STORE *store = X509_STORE_new();
	unsigned count = 0;
	X509 *one;

	while (bio != NULL && store != NULL &&
	       (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, one) == 1;
		X509_free(one);
	}
	ERR_clear_error();
	BIO_free(bio);
	if (count > 0)
		return store;
	X509_STORE_free(store);
	return NULL;
}

static int64_t time_unix_s(const ASN1_TIME *time)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int64_t value = 0;

	if (epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1)
		value = (int64_t)days * 86400 + seconds;
	ASN1_TIME_free(epoch);
	return value;
}

/* Key, certificate and trust out of their texts. 0, -EBADMSG or -EACCES. */
static int identity_parse(const struct identity_text texts[IDENTITY_FILE_COUNT],
    const char *deployment, struct client_identity *identity, char *message, size_t message_size)
{
	const struct identity_text *text = texts;
	int rc;

	identity->key = key_parse(text[IDENTITY_KEY].bytes, text[IDENTITY_KEY].size);
	identity->certificate =
	    certificate_parse(text[IDENTITY_CERTIFICATE].bytes, text[IDENTITY_CERTIFICATE].size);
	identity->trust = trust_parse(text[IDENTITY_TRUST].bytes, text[IDENTITY_TRUST].size);
	if (identity->key == NULL || identity->certificate == NULL || identity->trust == NULL) {
		identity_say(message, message_size, "%s holds no %s in PEM",
		    identity->key == NULL           ? CLIENT_IDENTITY_KEY
		    : identity->certificate == NULL ? CLIENT_IDENTITY_CERTIFICATE
		                                    : CLIENT_IDENTITY_TRUST,
		    identity->key == NULL ? "private key" : "certificate");
		return -EBADMSG;
	}
	if (X509_check_private_key(identity->certificate, identity->key) != 1) {
		identity_say(message, message_size,
		    CLIENT_IDENTITY_CERTIFICATE " is not for the key in " CLIENT_IDENTITY_KEY);
		return -EBADMSG;
	}
	rc = keying_role_read(identity->certificate, deployment, &identity->terminal_id);
	if (rc < 0 || identity->terminal_id == 0) {
		identity_say(message, message_size,
		    CLIENT_IDENTITY_CERTIFICATE " is not for a terminal of deployment \"%s\"",
		    deployment);
		return -EACCES;
	}
	identity->not_before_s = time_unix_s(X509_get0_notBefore(identity->certificate));
	identity->not_after_s = time_unix_s(X509_get0_notAfter(identity->certificate));
	return 0;
}

int client_identity_load(const char *directory, const char *deployment,
    struct client_identity *identity, char *message, size_t message_size)
{
	struct identity_text texts[IDENTITY_FILE_COUNT] = { 0 };
	struct client_identity read = { 0 };
	struct identity_files files;
	int rc = identity_files_open(directory, 0, &files, message, message_size);

	if (rc < 0)
		return rc;
	rc = identity_files_recover(&files, message, message_size);
	if (rc == 0)
		rc = identity_files_read(&files, texts, message, message_size);
	if (rc == 0)
		rc = identity_parse(texts, deployment, &read, message, message_size);
	identity_texts_free(texts);
	identity_files_close(&files);
	ERR_clear_error();
	if (rc < 0)
		client_identity_free(&read);
	else
		*identity = read;
	return rc;
}

void client_identity_free(struct client_identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
	X509_STORE_free(identity->trust);
	*identity = (struct client_identity){ 0 };
}

int client_identity_due(const struct client_identity *identity, int64_t now_s)
{
	int64_t life_s = identity->not_after_s - identity->not_before_s;

	return identity->not_after_s - now_s < life_s / 3;
}

/* 1 when an authority of the trust signed the certificate for a TLS client. */
static int chain_good(struct client_identity *identity)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int good = 0;

	if (context != NULL &&
	    X509_STORE_CTX_init(context, identity->trust, identity->certificate, NULL) == 1 &&
	    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1)
		good = X509_verify_cert(context) == 1;
	X509_STORE_CTX_free(context);
	return good;
}

/* The request beside a renewed key is for that key, so that the terminal can be enrolled again. */
static int request_renew(struct identity_files *files, const char *deployment, uint64_t terminal_id,
    EVP_PKEY *key, char *message, size_t message_size)
{
	char *request = NULL;
	size_t size = 0;
	int rc = client_identity_request(key, deployment, terminal_id, &request, &size);

	if (rc == 0)
		rc = identity_files_request(files, request, size);
	if (rc < 0)
		identity_say(message, message_size,
		    "the renewal is in place, but the request for the new key could not be "
		    "written: "
		    "%s; renew once more before enrolling again",
		    strerror(-rc));
	free(request);
	return rc;
}

int client_identity_replace(const char *directory, const char *deployment, uint64_t terminal_id,
    struct evp_pkey_st *key, const char *certificate_pem, size_t certificate_size,
    const char *trust_pem, size_t trust_size, char *message, size_t message_size)
{
	struct identity_text texts[IDENTITY_FILE_COUNT] = { 0 };
	struct client_identity read = { 0 };
	struct identity_files files = { .fd = -1 };
	int rc;

	rc = key_text(key, &texts[IDENTITY_KEY].bytes, &texts[IDENTITY_KEY].size);
	if (rc == 0)
		rc = identity_text_copy(
		    &texts[IDENTITY_CERTIFICATE], certificate_pem, certificate_size);
	if (rc == 0)
		rc = identity_text_copy(&texts[IDENTITY_TRUST], trust_pem, trust_size);
	if (rc < 0) {
		identity_say(message, message_size, "out of memory");
		goto out;
	}
	rc = identity_parse(texts, deployment, &read, message, message_size);
	if (rc < 0) {
		rc = -EBADMSG;
		goto out;
	}
	if (read.terminal_id != terminal_id || !chain_good(&read)) {
		identity_say(message, message_size,
		    "the new certificate is not for terminal %" PRIu64
		    " or not signed by the authority",
		    terminal_id);
		rc = -EBADMSG;
		goto out;
	}
	rc = identity_files_open(directory, 0, &files, message, message_size);
	if (rc == 0)
		rc = identity_files_commit(&files, texts, message, message_size);
	if (rc == 0)
		rc = request_renew(&files, deployment, terminal_id, key, message, message_size);
out:
	identity_files_close(&files);
	identity_texts_free(texts);
	client_identity_free(&read);
	ERR_clear_error();
	return rc;
}

void client_identity_settle(const char *directory)
{
	struct identity_files files;

	if (identity_files_open(directory, 0, &files, NULL, 0) < 0)
		return;
	identity_files_forget(&files);
	identity_files_close(&files);
}

void identity_say(char *message, size_t size, const char *format, ...)
{
	va_list arguments;

	if (size == 0)
		return;
	va_start(arguments, format);
	vsnprintf(message, size, format, arguments);
	va_end(arguments);
}
