/* SPDX-License-Identifier: Apache-2.0 */
/* What the authority signs, and the requests it refuses. */
#include "tests/control/keys/authority_bed.h"

#include <errno.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "tests/keying/pki.h"
#include "wire/keying/keying.h"

TEST(an_issued_certificate_has_our_profile)
{
	struct authority *authority = authority_bed_open(authority_bed_directory(), 1);
	struct authority_certificate first = authority_bed_issue(authority, 42),
	                             second = authority_bed_issue(authority, 42);
	X509 *certificate = pem_certificate(first.pem);
	uint64_t id = 0, now_s = (uint64_t)time(NULL);
	char text[64];
	uint8_t hash[32];

	assert_true(authority_bed_verified(authority, certificate, X509_PURPOSE_SSL_CLIENT));
	assert_false(authority_bed_verified(authority, certificate, X509_PURPOSE_SSL_SERVER));
	assert_int_equal(keying_role_read(certificate, "test", &id), 0);
	assert_int_equal(id, 42);
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
	                text, sizeof(text)) > 0);
	assert_string_equal(text, "terminal-42");
	assert_int_equal(X509_get_version(certificate), 2);
	assert_int_equal(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(certificate), XKU_SSL_CLIENT);
	assert_int_equal(X509_check_ca(certificate), 0);
	assert_int_equal(X509_digest(certificate, EVP_sha256(), hash, NULL), 1);
	assert_memory_equal(hash, first.sha256, 32);
	assert_true(first.not_before_s < now_s && first.not_after_s > now_s + 89 * 86400);
	assert_true(first.not_after_s <= now_s + 90 * 86400);
	assert_memory_not_equal(first.serial, second.serial, 20);
	X509_free(certificate);
	free(first.pem);
	free(second.pem);
	authority_close(authority);
}

TEST(the_authority_may_sign_ends_only)
{
	struct authority *authority = authority_bed_open(authority_bed_directory(), 1);
	char *trust = authority_trust(authority);
	X509 *certificate = pem_certificate(trust);

	assert_int_equal(pem_count(trust), 1);
	assert_int_equal(X509_check_ca(certificate), 1);
	assert_int_equal(X509_get_pathlen(certificate), 0);
	assert_int_equal(X509_get_key_usage(certificate), KU_KEY_CERT_SIGN);
	X509_free(certificate);
	free(trust);
	authority_close(authority);
}

TEST(the_server_certificate_has_the_role_of_control)
{
	struct authority *authority = authority_bed_open(authority_bed_directory(), 1);
	SSL_CTX *context = authority_server_context(authority);
	X509 *certificate = SSL_CTX_get0_certificate(context);
	uint64_t id = 7;

	assert_true(authority_bed_verified(authority, certificate, X509_PURPOSE_SSL_SERVER));
	assert_false(authority_bed_verified(authority, certificate, X509_PURPOSE_SSL_CLIENT));
	assert_int_equal(keying_role_read(certificate, "test", &id), 0);
	assert_int_equal(id, 0);
	SSL_CTX_free(context);
	authority_close(authority);
}

TEST(requests)
{
	static const struct {
		const char *name, *type;
		int result;
	} rows[] = {
		{ "terminal-7", "P-256", 0 },
		{ "terminal-7", "P-384", 0 },
		{ "terminal-7", "RSA-2048", 0 },
		{ "kiosk at the door", "P-256", 0 },
		{ "terminal-8", "P-256", -EINVAL },
		{ "terminal-77", "P-256", -EINVAL },
		{ "terminal-7", "RSA-1024", -EKEYREJECTED },
		{ "terminal-7", "secp256k1", -EKEYREJECTED },
		{ "terminal-7", "P-224", -EKEYREJECTED },
		{ "terminal-7", "ED25519", -EKEYREJECTED },
	};
	struct authority *authority = authority_bed_open(authority_bed_directory(), 1);

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		struct authority_certificate out = { .pem = NULL };
		char *request = pki_request(rows[i].name, rows[i].type, NULL);

		authority_said[0] = '\0';
		assert_case_equal(i,
		    authority_issue(
		        authority, request, 7, &out, authority_said, sizeof(authority_said)),
		    rows[i].result);
		assert_case_equal(i, out.pem != NULL, rows[i].result == 0);
		assert_case_equal(i, authority_said[0] != '\0', rows[i].result != 0);
		free(out.pem);
		free(request);
	}
	authority_close(authority);
}

TEST(requests_that_are_none)
{
	static const char *const rows[] = {
		"",
		"no request",
		"-----BEGIN CERTIFICATE REQUEST-----\n",
		"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
		/* OpenSSL would ask at the terminal for the password of this one. */
		"-----BEGIN CERTIFICATE REQUEST-----\nProc-Type: 4,ENCRYPTED\n"
		"DEK-Info: "
		"AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
		"-----END CERTIFICATE REQUEST-----\n",
	};
	struct authority *authority = authority_bed_open(authority_bed_directory(), 1);

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		struct authority_certificate out = { .pem = NULL };

		assert_case_equal(i,
		    authority_issue(
		        authority, rows[i], 7, &out, authority_said, sizeof(authority_said)),
		    -EBADMSG);
		assert_null(out.pem);
	}
	authority_close(authority);
}

/* Proof of possession: a byte of the signed part changed. */
TEST(a_request_whose_signature_is_wrong_is_refused)
{
	struct authority *authority = authority_bed_open(authority_bed_directory(), 1);
	struct authority_certificate out = { .pem = NULL };
	char *request = pki_request("kiosk", "P-256", NULL), *changed;
	X509_REQ *read;
	BIO *bio = BIO_new_mem_buf(request, -1);
	unsigned char *der = NULL;
	int size;
	long text_size;
	char *text;

	read = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	BIO_free(bio);
	size = i2d_X509_REQ(read, &der);
	assert_true(size > 0);
	for (int i = 0; i + 5 < size; i++)
		if (memcmp(der + i, "kiosk", 5) == 0)
			der[i] = 'K';
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio(bio, "CERTIFICATE REQUEST", "", der, size) > 0, 1);
	text_size = BIO_get_mem_data(bio, &text);
	changed = calloc(1, (size_t)text_size + 1);
	memcpy(changed, text, (size_t)text_size);
	assert_int_equal(
	    authority_issue(authority, changed, 7, &out, authority_said, sizeof(authority_said)),
	    -EKEYREJECTED);
	BIO_free(bio);
	OPENSSL_free(der);
	X509_REQ_free(read);
	free(changed);
	free(request);
	authority_close(authority);
}

TEST_MAIN()
