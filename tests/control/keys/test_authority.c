/* SPDX-License-Identifier: Apache-2.0 */
/* The authority's life, what it signs, what it refuses, and crashes between its files. */
#include "tests/test.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "control/keys/authority.h"
#include "tests/keying/pki.h"
#include "wire/keying/keying.h"

static char root[] = "/tmp/sluice-authority-XXXXXX";
static char message[512];

static struct control_config config_of(const char *deployment)
{
	struct control_config config;

	memset(&config, 0, sizeof(config));
	snprintf(config.deployment, sizeof(config.deployment), "%s", deployment);
	config.keys.terminal_certificate_days = 90;
	config.keys.server_certificate_days = 30;
	config.keys.authority_days = 3650;
	return config;
}

/* A new directory in each test; DIR/etc is missing too, as on a fresh system. */
static const char *directory_make(void)
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

static struct authority *authority_made(const char *directory, int init)
{
	struct control_config config = config_of("test");
	struct authority *authority = NULL;

	if (authority_open(&authority, directory, &config, message, sizeof(message)) != 0)
		fail_msg("open: %s", message);
	if (init && authority_init(authority, message, sizeof(message)) != 0)
		fail_msg("init: %s", message);
	return authority;
}

static X509 *pem_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(certificate);
	return certificate;
}

static unsigned pem_count(const char *pem)
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

static int verified(const struct authority *authority, X509 *certificate, int purpose)
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

static struct authority_certificate issued(struct authority *authority, uint64_t terminal_id)
{
	struct authority_certificate out;
	char name[40], *request;

	snprintf(name, sizeof(name), "terminal-%llu", (unsigned long long)terminal_id);
	request = pki_request(name, "P-256", NULL);
	if (authority_issue(authority, request, terminal_id, &out, message, sizeof(message)) != 0)
		fail_msg("issue: %s", message);
	free(request);
	return out;
}

static unsigned mode_of(const char *directory, const char *name)
{
	char path[400];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

static char *json_text_of(const struct authority *authority, const char *key)
{
	json_t *shown = authority_show(authority);
	char *copy;

	assert_non_null(shown);
	copy = strdup(json_string_value(json_object_get(shown, key)));
	json_decref(shown);
	return copy;
}

static void state_check(const struct authority *authority, const char *want)
{
	char *state = json_text_of(authority, "state");

	assert_string_equal(state, want);
	free(state);
}

TEST(nothing_there_is_no_error)
{
	struct authority *authority = authority_made(directory_make(), 0);
	struct authority_certificate out = { .pem = NULL };
	char *request = pki_request("terminal-1", "P-256", NULL);

	assert_int_equal(authority_ready(authority), 0);
	assert_null(authority_trust(authority));
	assert_null(authority_server_context(authority));
	assert_int_equal(authority_server_renew(authority, 1), -ENOKEY);
	assert_int_equal(
	    authority_issue(authority, request, 1, &out, message, sizeof(message)), -ENOKEY);
	assert_non_null(strstr(message, "sluicectl ca init"));
	assert_int_equal(authority_renew(authority, message, sizeof(message)), -ENOKEY);
	assert_int_equal(authority_activate(authority, message, sizeof(message)), -ENOENT);
	assert_int_equal(authority_retire(authority, message, sizeof(message)), -ENOENT);
	state_check(authority, "none");
	free(request);
	authority_close(authority);
}

TEST(init_makes_files_only_the_owner_reads_and_only_once)
{
	const char *directory = directory_make();
	struct authority *authority = authority_made(directory, 1);
	char *before = json_text_of(authority, "sha256"), *after;

	assert_int_equal(mode_of(directory, "."), 0700);
	assert_int_equal(mode_of(directory, "ca.key"), 0600);
	assert_int_equal(mode_of(directory, "server.key"), 0600);
	assert_int_equal(mode_of(directory, "ca.crt"), 0644);
	assert_int_equal(mode_of(directory, "trust.crt"), 0644);
	assert_int_equal(authority_ready(authority), 1);
	assert_int_equal(authority_init(authority, message, sizeof(message)), -EEXIST);
	authority_close(authority);

	/* The same one is there the next time. */
	authority = authority_made(directory, 0);
	after = json_text_of(authority, "sha256");
	assert_string_equal(before, after);
	assert_int_equal(authority_init(authority, message, sizeof(message)), -EEXIST);
	free(before);
	free(after);
	authority_close(authority);
}

TEST(what_it_shows_has_times_in_ns_and_hashes)
{
	struct authority *authority = authority_made(directory_make(), 1);
	json_t *shown = authority_show(authority);
	const json_t *server = json_object_get(shown, "server");
	json_int_t begin_ns = json_integer_value(json_object_get(shown, "not_before_ns"));

	assert_true(begin_ns > 1000000000000000000ll);
	assert_true(json_integer_value(json_object_get(shown, "not_after_ns")) > begin_ns);
	assert_int_equal(begin_ns % 1000000000, 0);
	assert_int_equal(json_string_length(json_object_get(shown, "sha256")), 64);
	assert_int_equal(json_string_length(json_object_get(server, "sha256")), 64);
	assert_true(json_is_integer(json_object_get(server, "not_after_ns")));
	json_decref(shown);
	authority_close(authority);
}

TEST(a_deployment_that_cannot_stand_in_a_uri_is_refused)
{
	struct control_config config = config_of("a, URI:urn:sluice:b:control");
	struct authority *authority = NULL;

	assert_int_equal(
	    authority_open(&authority, directory_make(), &config, message, sizeof(message)), 0);
	assert_int_equal(authority_init(authority, message, sizeof(message)), -EINVAL);
	assert_int_equal(authority_ready(authority), 0);
	authority_close(authority);
}

TEST(an_issued_certificate_has_our_profile)
{
	struct authority *authority = authority_made(directory_make(), 1);
	struct authority_certificate first = issued(authority, 42), second = issued(authority, 42);
	X509 *certificate = pem_certificate(first.pem);
	uint64_t id = 0, now_s = (uint64_t)time(NULL);
	char text[64];
	uint8_t hash[32];

	assert_true(verified(authority, certificate, X509_PURPOSE_SSL_CLIENT));
	assert_false(verified(authority, certificate, X509_PURPOSE_SSL_SERVER));
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
	struct authority *authority = authority_made(directory_make(), 1);
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
	struct authority *authority = authority_made(directory_make(), 1);
	SSL_CTX *context = authority_server_context(authority);
	X509 *certificate = SSL_CTX_get0_certificate(context);
	uint64_t id = 7;

	assert_true(verified(authority, certificate, X509_PURPOSE_SSL_SERVER));
	assert_false(verified(authority, certificate, X509_PURPOSE_SSL_CLIENT));
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
	struct authority *authority = authority_made(directory_make(), 1);

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		struct authority_certificate out = { .pem = NULL };
		char *request = pki_request(rows[i].name, rows[i].type, NULL);

		message[0] = '\0';
		assert_case_equal(i,
		    authority_issue(authority, request, 7, &out, message, sizeof(message)),
		    rows[i].result);
		assert_case_equal(i, out.pem != NULL, rows[i].result == 0);
		assert_case_equal(i, message[0] != '\0', rows[i].result != 0);
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
	struct authority *authority = authority_made(directory_make(), 1);

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		struct authority_certificate out = { .pem = NULL };

		assert_case_equal(i,
		    authority_issue(authority, rows[i], 7, &out, message, sizeof(message)),
		    -EBADMSG);
		assert_null(out.pem);
	}
	authority_close(authority);
}

/* Proof of possession: a byte of the signed part changed. */
TEST(a_request_whose_signature_is_wrong_is_refused)
{
	struct authority *authority = authority_made(directory_make(), 1);
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
	    authority_issue(authority, changed, 7, &out, message, sizeof(message)), -EKEYREJECTED);
	BIO_free(bio);
	OPENSSL_free(der);
	X509_REQ_free(read);
	free(changed);
	free(request);
	authority_close(authority);
}

TEST(the_way_from_one_authority_to_the_next)
{
	const char *directory = directory_make();
	struct authority *authority = authority_made(directory, 1);
	struct authority_certificate old = issued(authority, 1), middle, fresh;
	X509 *old_x = pem_certificate(old.pem), *middle_x, *fresh_x;
	uint64_t made_s = 1, activated_s = 1;
	char *trust;

	authority_changes(authority, &made_s, &activated_s);
	assert_int_equal(made_s, 0);
	assert_int_equal(activated_s, 0);
	assert_int_equal(authority_renewal_wanted(authority, old_x), 0);

	assert_int_equal(authority_renew(authority, message, sizeof(message)), 0);
	assert_int_equal(authority_renew(authority, message, sizeof(message)), -EEXIST);
	state_check(authority, "next made");
	trust = authority_trust(authority);
	assert_int_equal(pem_count(trust), 2);
	free(trust);
	authority_changes(authority, &made_s, &activated_s);
	assert_true(made_s + 5 > (uint64_t)time(NULL) && made_s <= (uint64_t)time(NULL));
	/* Made before: its terminal does not know the next authority. */
	assert_int_equal(authority_renewal_wanted(authority, old_x), 1);
	middle = issued(authority, 2);
	middle_x = pem_certificate(middle.pem);
	assert_true(verified(authority, middle_x, X509_PURPOSE_SSL_CLIENT));

	authority_close(authority);
	authority = authority_made(directory, 0);
	state_check(authority, "next made");

	assert_int_equal(authority_activate(authority, message, sizeof(message)), 0);
	state_check(authority, "next active");
	assert_int_equal(authority_activate(authority, message, sizeof(message)), -ENOENT);
	assert_int_equal(authority_renew(authority, message, sizeof(message)), -EBUSY);
	authority_changes(authority, &made_s, &activated_s);
	assert_int_equal(made_s, 0);
	assert_true(activated_s != 0);
	fresh = issued(authority, 3);
	fresh_x = pem_certificate(fresh.pem);
	assert_true(verified(authority, old_x, X509_PURPOSE_SSL_CLIENT));
	assert_true(verified(authority, fresh_x, X509_PURPOSE_SSL_CLIENT));
	assert_int_equal(authority_renewal_wanted(authority, middle_x), 1);
	assert_int_equal(authority_renewal_wanted(authority, fresh_x), 0);

	assert_int_equal(authority_retire(authority, message, sizeof(message)), 0);
	assert_int_equal(authority_retire(authority, message, sizeof(message)), -ENOENT);
	state_check(authority, "ready");
	assert_false(verified(authority, old_x, X509_PURPOSE_SSL_CLIENT));
	assert_false(verified(authority, middle_x, X509_PURPOSE_SSL_CLIENT));
	assert_true(verified(authority, fresh_x, X509_PURPOSE_SSL_CLIENT));
	authority_close(authority);
	authority = authority_made(directory, 0);
	state_check(authority, "ready");
	assert_true(verified(authority, fresh_x, X509_PURPOSE_SSL_CLIENT));

	X509_free(old_x);
	X509_free(middle_x);
	X509_free(fresh_x);
	free(old.pem);
	free(middle.pem);
	free(fresh.pem);
	authority_close(authority);
}

static void file_move(const char *directory, const char *from, const char *to)
{
	char a[400], b[400];

	snprintf(a, sizeof(a), "%s/%s", directory, from);
	snprintf(b, sizeof(b), "%s/%s", directory, to);
	assert_int_equal(rename(a, b), 0);
}

static void file_copy(const char *directory, const char *from, const char *to)
{
	char a[400], b[400], data[8192];
	size_t size;
	FILE *file;

	snprintf(a, sizeof(a), "%s/%s", directory, from);
	snprintf(b, sizeof(b), "%s/%s", directory, to);
	file = fopen(a, "rb");
	assert_non_null(file);
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	file = fopen(b, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
}

static void file_remove(const char *directory, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(unlink(path), 0);
}

/* activate: previous.crt, ca.key, ca.crt, server: it stops after each. */
TEST(a_crash_within_activate_is_healed)
{
	static const char *const want[] = { "next made", "next active", "next active" };

	for (int steps = 1; steps <= 3; steps++) {
		const char *directory = directory_make();
		struct authority *authority = authority_made(directory, 1);
		SSL_CTX *context;

		assert_int_equal(authority_renew(authority, message, sizeof(message)), 0);
		authority_close(authority);
		file_copy(directory, "ca.crt", "previous.crt");
		if (steps > 1)
			file_move(directory, "next.key", "ca.key");
		if (steps > 2)
			file_move(directory, "next.crt", "ca.crt");
		authority = authority_made(directory, 0);
		state_check(authority, want[steps - 1]);
		context = authority_server_context(authority);
		assert_true(verified(
		    authority, SSL_CTX_get0_certificate(context), X509_PURPOSE_SSL_SERVER));
		SSL_CTX_free(context);
		authority_close(authority);
	}
}

TEST(a_crash_within_init_or_renew_is_healed)
{
	const char *directory = directory_make();
	struct authority *authority = authority_made(directory, 1);

	assert_int_equal(authority_renew(authority, message, sizeof(message)), 0);
	authority_close(authority);
	file_remove(directory, "next.crt"); /* renew: only the key was there */
	authority = authority_made(directory, 0);
	state_check(authority, "ready");
	authority_close(authority);
	file_remove(directory, "trust.crt"); /* init: no server certificate, no trust yet */
	file_remove(directory, "server.crt");
	authority = authority_made(directory, 0);
	assert_int_equal(authority_ready(authority), 1);
	authority_close(authority);
	file_remove(directory, "ca.crt"); /* init: only the key was there */
	authority = authority_made(directory, 0);
	state_check(authority, "none");
	assert_int_equal(authority_init(authority, message, sizeof(message)), 0);
	authority_close(authority);
}

TEST(a_next_authority_that_cannot_be_told_was_never_made)
{
	const char *directory = directory_make();
	struct authority *authority = authority_made(directory, 1);
	char path[400];

	/* A directory in the way of the file that is written first. */
	snprintf(path, sizeof(path), "%s/trust.crt.tmp", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_not_equal(authority_renew(authority, message, sizeof(message)), 0);
	assert_non_null(strstr(message, directory));
	state_check(authority, "ready");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(authority_renew(authority, message, sizeof(message)), 0);
	state_check(authority, "next made");
	authority_close(authority);
}

TEST(damaged_files_are_named)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ "ca.key", "ca.crt" },
		{ "server.key", "ca.key" },
		{ "ca.key", "next.key" },
		{ "ca.key", "previous.crt" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		const char *directory = directory_make();
		struct authority *authority = authority_made(directory, 1);
		struct control_config config = config_of("test");

		assert_int_equal(authority_renew(authority, message, sizeof(message)), 0);
		authority_close(authority);
		file_copy(directory, rows[i].from, rows[i].to);
		authority = NULL;
		assert_case_equal(i,
		    authority_open(&authority, directory, &config, message, sizeof(message)) != 0,
		    1);
		assert_null(authority);
		assert_non_null(strstr(message, rows[i].to));
	}
}

TEST(the_server_certificate_is_renewed_when_due_or_forced)
{
	const char *directory = directory_make();
	struct authority *authority = authority_made(directory, 1);
	struct control_config config = config_of("test");
	SSL_CTX *before = authority_server_context(authority), *after;

	assert_int_equal(authority_server_renew(authority, 0), 0);
	assert_int_equal(authority_server_renew(authority, 1), 1);
	after = authority_server_context(authority);
	assert_int_not_equal(
	    X509_cmp(SSL_CTX_get0_certificate(before), SSL_CTX_get0_certificate(after)), 0);
	SSL_CTX_free(before);
	SSL_CTX_free(after);
	/* No life at all: two thirds of it are over. */
	config.keys.server_certificate_days = 0;
	authority_config_set(authority, &config);
	assert_int_equal(authority_server_renew(authority, 1), 1);
	assert_int_equal(authority_server_renew(authority, 0), 1);
	authority_close(authority);
}

TEST_MAIN()
