/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/control/keys/authority_bed.h"

#include <ftw.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "tests/keying/pki.h"

static char root[] = "/tmp/sluice-authority-XXXXXX";
char authority_said[512];

struct control_config authority_bed_config(const char *deployment)
{
	struct control_config config;

	memset(&config, 0, sizeof(config));
	snprintf(config.deployment, sizeof(config.deployment), "%s", deployment);
	config.keys.terminal_certificate_days = 90;
	config.keys.server_certificate_days = 30;
	config.keys.authority_days = 3650;
	return config;
}

const char *authority_bed_directory(void)
{
	static char path[300];
	static int number;

	if (number == 0)
		assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/%d/ca", root, ++number);
	return path;
}

static int file_remove_any(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

__attribute__((destructor)) static void directories_remove(void)
{
	(void)nftw(root, file_remove_any, 16, FTW_DEPTH | FTW_PHYS);
}

struct authority *authority_bed_open(const char *directory, int init)
{
	struct control_config config = authority_bed_config("test");
	struct authority *authority = NULL;

	if (authority_open(
	        &authority, directory, &config, authority_said, sizeof(authority_said)) != 0)
		fail_msg("open: %s", authority_said);
	if (init && authority_init(authority, authority_said, sizeof(authority_said)) != 0)
		fail_msg("init: %s", authority_said);
	return authority;
}

X509 *pem_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(certificate);
	return certificate;
}

unsigned pem_count(const char *pem)
{
	unsigned count = 0;

	for (; (pem = strstr(pem, "BEGIN CERTIFICATE")) != NULL; pem++)
		count++;
	return count;
}

static X509_STORE *trust_store(const struct authority *authority)
{
	char *trust = authority_trust(authority);
	X509_STORE *store = X509_STORE_new();
	BIO *bio;
	X509 *certificate;

	assert_non_null(trust);
	bio = BIO_new_mem_buf(trust, -1);
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		X509_STORE_add_cert(store, certificate);
		X509_free(certificate);
	}
	BIO_free(bio);
	free(trust);
	return store;
}

int authority_bed_verified(const struct authority *authority, X509 *certificate, int purpose)
{
	X509_STORE *store = trust_store(authority);
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int good;

	X509_STORE_CTX_init(context, store, certificate, NULL);
	X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
	X509_STORE_CTX_set_purpose(context, purpose);
	good = X509_verify_cert(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return good == 1;
}

struct authority_certificate authority_bed_issue(struct authority *authority, uint64_t terminal_id)
{
	struct authority_certificate out;
	char name[40], *request;

	snprintf(name, sizeof(name), "terminal-%llu", (unsigned long long)terminal_id);
	request = pki_request(name, "P-256", NULL);
	if (authority_issue(
	        authority, request, terminal_id, &out, authority_said, sizeof(authority_said)) != 0)
		fail_msg("issue: %s", authority_said);
	free(request);
	return out;
}

char *authority_bed_text(const struct authority *authority, const char *key)
{
	json_t *shown = authority_show(authority);
	char *copy;

	assert_non_null(shown);
	copy = strdup(json_string_value(json_object_get(shown, key)));
	json_decref(shown);
	return copy;
}

void authority_bed_state_check(const struct authority *authority, const char *want)
{
	char *state = authority_bed_text(authority, "state");

	assert_string_equal(state, want);
	free(state);
}
