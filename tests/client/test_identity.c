/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an identity: what is refused, and a renewal cut short at every step. */
#include "wire/client/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "tests/client/key_peer.h"
#include "tests/test.h"
#include "wire/client/keying_client.h"

struct setting {
	struct key_authority authority;
	char *directory;
	char message[CLIENT_KEYING_MESSAGE_SIZE];
};

static void setting_make(struct setting *setting)
{
	key_authority_make(&setting->authority, "authority");
	setting->directory = key_directory_make(&setting->authority, -60, 3600);
	setting->message[0] = '\0';
}

static void setting_free(struct setting *setting)
{
	key_authority_free(&setting->authority);
	key_directory_remove(setting->directory);
}

static const char *path_of(const struct setting *setting, const char *name)
{
	static char path[2][256];
	static unsigned turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", setting->directory, name);
	return path[turn];
}

static int load(struct setting *setting, struct client_identity *identity)
{
	return client_identity_load(setting->directory, KEY_PEER_DEPLOYMENT, identity,
	    setting->message, sizeof(setting->message));
}

/* Loads it and compares its key. */
static int loads_with(struct setting *setting, EVP_PKEY *key)
{
	struct client_identity identity;
	int same;

	if (load(setting, &identity) < 0)
		fail_msg("%s", setting->message);
	assert_int_equal(X509_check_private_key(identity.certificate, identity.key), 1);
	same = EVP_PKEY_eq(identity.key, key) == 1;
	client_identity_free(&identity);
	return same;
}

static void text_write(const struct setting *setting, const char *name, const char *text)
{
	FILE *file = fopen(path_of(setting, name), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

TEST(a_made_identity_is_private_and_never_overwritten)
{
	struct setting setting;
	struct stat found;

	setting_make(&setting);
	assert_int_equal(stat(path_of(&setting, CLIENT_IDENTITY_KEY), &found), 0);
	assert_int_equal(found.st_mode & 0777, 0600);
	assert_int_equal(client_identity_make(setting.directory, KEY_PEER_DEPLOYMENT,
	                     KEY_PEER_TERMINAL, setting.message, sizeof(setting.message)),
	    -EEXIST);
	setting_free(&setting);
}

TEST(a_missing_directory_is_made_for_its_owner_alone)
{
	struct setting setting;
	struct stat found;
	char path[256];

	setting_make(&setting);
	snprintf(path, sizeof(path), "%s/deeper", setting.directory);
	assert_int_equal(client_identity_make(path, KEY_PEER_DEPLOYMENT, 5, setting.message,
	                     sizeof(setting.message)),
	    0);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0700);
	setting_free(&setting);
}

TEST(an_identity_needs_an_id_and_a_deployment_that_can_be_named)
{
	static const struct {
		const char *deployment;
		uint64_t terminal_id;
	} wrong[] = { { "lab", 0 }, { "", 1 }, { "a b", 1 }, { "a:control", 1 } };
	struct setting setting;

	setting_make(&setting);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%u", setting.directory, i);
		assert_case_equal(i,
		    client_identity_make(path, wrong[i].deployment, wrong[i].terminal_id,
		        setting.message, sizeof(setting.message)),
		    -EINVAL);
		snprintf(path, sizeof(path), "%s/%u/" CLIENT_IDENTITY_KEY, setting.directory, i);
		assert_int_equal(access(path, F_OK), -1);
	}
	setting_free(&setting);
}

TEST(what_is_missing_or_open_to_others_is_named_with_what_to_do)
{
	struct client_identity identity;
	struct setting setting;

	setting_make(&setting);
	assert_int_equal(chmod(path_of(&setting, CLIENT_IDENTITY_KEY), 0640), 0);
	assert_int_equal(load(&setting, &identity), -EPERM);
	assert_non_null(strstr(setting.message, "chmod 600"));
	assert_int_equal(chmod(path_of(&setting, CLIENT_IDENTITY_KEY), 0600), 0);
	assert_int_equal(unlink(path_of(&setting, CLIENT_IDENTITY_CERTIFICATE)), 0);
	assert_int_equal(load(&setting, &identity), -ENOENT);
	assert_non_null(strstr(setting.message, "enrol"));
	assert_int_equal(unlink(path_of(&setting, CLIENT_IDENTITY_KEY)), 0);
	assert_int_equal(load(&setting, &identity), -ENOENT);
	setting_free(&setting);
}

TEST(malformed_files_and_those_of_others_are_refused)
{
	static const char *const names[] = { CLIENT_IDENTITY_KEY, CLIENT_IDENTITY_CERTIFICATE,
		CLIENT_IDENTITY_TRUST };
	struct client_identity identity;
	struct setting setting;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *other;

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(names); i++) {
		setting_make(&setting);
		text_write(&setting, names[i], "-----BEGIN NOTHING-----\n");
		assert_case_equal(i, load(&setting, &identity), -EBADMSG);
		assert_non_null(strstr(setting.message, names[i]));
		text_write(&setting, names[i], "");
		assert_case_equal(i, load(&setting, &identity), -EBADMSG);
		setting_free(&setting);
	}
	setting_make(&setting);
	other = key_authority_sign(&setting.authority, key,
	    "urn:sluice:" KEY_PEER_DEPLOYMENT ":terminal:77", 0, -60, 3600);
	key_pem_write(setting.directory, CLIENT_IDENTITY_CERTIFICATE, &other, 1);
	assert_int_equal(load(&setting, &identity), -EBADMSG); /* of another key */
	X509_free(other);
	EVP_PKEY_free(key);
	setting_free(&setting);
}

TEST(a_certificate_of_another_deployment_or_role_is_refused)
{
	static const char *const roles[] = { "urn:sluice:other:terminal:77",
		"urn:sluice:" KEY_PEER_DEPLOYMENT ":control",
		"urn:sluice:" KEY_PEER_DEPLOYMENT ":terminal:0", "https://example" };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(roles); i++) {
		struct client_identity identity;
		struct setting setting;
		X509 *other;

		setting_make(&setting);
		assert_int_equal(load(&setting, &identity), 0);
		other =
		    key_authority_sign(&setting.authority, identity.key, roles[i], 0, -60, 3600);
		key_pem_write(setting.directory, CLIENT_IDENTITY_CERTIFICATE, &other, 1);
		X509_free(other);
		client_identity_free(&identity);
		assert_case_equal(i, load(&setting, &identity), -EACCES);
		setting_free(&setting);
	}
}

/* A renewed identity in texts, and the call that puts it in place. */
static int replace_with(struct setting *setting, EVP_PKEY *key)
{
	X509 *certificate = key_authority_sign(&setting->authority, key,
	    "urn:sluice:" KEY_PEER_DEPLOYMENT ":terminal:77", 0, -60, 7200);
	BIO *bio = BIO_new(BIO_s_mem()), *trust = BIO_new(BIO_s_mem());
	char *text, *trust_text;
	long size, trust_size;
	int rc;

	PEM_write_bio_X509(bio, certificate);
	PEM_write_bio_X509(trust, setting->authority.certificate);
	size = BIO_get_mem_data(bio, &text);
	trust_size = BIO_get_mem_data(trust, &trust_text);
	rc = client_identity_replace(setting->directory, KEY_PEER_DEPLOYMENT, KEY_PEER_TERMINAL,
	    key, text, (size_t)size, trust_text, (size_t)trust_size, setting->message,
	    sizeof(setting->message));
	BIO_free(bio);
	BIO_free(trust);
	X509_free(certificate);
	return rc;
}

/*
 * The steps of a change: three files written as *.next, three renames. A crash after each of them
 * is made by hand from the old set and the new one; what loads is whole, and the right one.
 */
TEST(a_renewal_cut_short_leaves_the_old_set_or_the_new_one)
{
	static const char *const names[] = { CLIENT_IDENTITY_TRUST, CLIENT_IDENTITY_KEY,
		CLIENT_IDENTITY_CERTIFICATE };

	for (unsigned step = 0; step <= 6; step++) {
		EVP_PKEY *key = EVP_EC_gen("P-256");
		struct client_identity before;
		struct setting setting;

		setting_make(&setting);
		assert_int_equal(load(&setting, &before), 0);
		if (replace_with(&setting, key) < 0)
			fail_msg("%s", setting.message);
		/* Back to the old set, with as much of the new one as there was at this step. */
		for (unsigned i = 0; i < 3; i++) {
			char previous[64], next[64];

			snprintf(previous, sizeof(previous), "%s.previous", names[i]);
			snprintf(next, sizeof(next), "%s.next", names[i]);
			if (step >= 4 + i)
				continue; /* renamed already */
			assert_int_equal(
			    rename(path_of(&setting, names[i]), path_of(&setting, next)), 0);
			assert_int_equal(
			    rename(path_of(&setting, previous), path_of(&setting, names[i])), 0);
			if (step < 1 + i)
				assert_int_equal(unlink(path_of(&setting, next)), 0);
		}
		assert_case_equal(step, loads_with(&setting, key), step >= 3);
		assert_case_equal(step, loads_with(&setting, before.key), step < 3);
		for (unsigned i = 0; i < 3; i++) {
			char next[64];

			snprintf(next, sizeof(next), "%s.next", names[i]);
			assert_int_equal(access(path_of(&setting, next), F_OK), -1);
		}
		client_identity_free(&before);
		EVP_PKEY_free(key);
		setting_free(&setting);
	}
}

TEST(the_request_follows_a_renewed_key_so_that_it_can_be_enrolled_again)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *asked;
	struct setting setting;
	X509_REQ *request;
	FILE *file;

	setting_make(&setting);
	if (replace_with(&setting, key) < 0)
		fail_msg("%s", setting.message);
	file = fopen(path_of(&setting, CLIENT_IDENTITY_REQUEST), "re");
	assert_non_null(file);
	request = PEM_read_X509_REQ(file, NULL, NULL, NULL);
	assert_non_null(request);
	assert_int_equal(fclose(file), 0);
	asked = X509_REQ_get0_pubkey(request);
	assert_int_equal(EVP_PKEY_eq(asked, key), 1);
	X509_REQ_free(request);
	EVP_PKEY_free(key);
	setting_free(&setting);
}

struct reader {
	struct setting *setting;
	atomic_int end; /* set by the test, read by the thread */
	unsigned loads;
	int failure;
};

static void *reader_run(void *context)
{
	struct reader *reader = context;
	char message[CLIENT_KEYING_MESSAGE_SIZE];

	while (!atomic_load(&reader->end) && reader->failure == 0) {
		struct client_identity identity;

		reader->failure = client_identity_load(reader->setting->directory,
		    KEY_PEER_DEPLOYMENT, &identity, message, sizeof(message));
		if (reader->failure == 0)
			client_identity_free(&identity);
		reader->loads++;
	}
	return NULL;
}

TEST(who_reads_during_a_renewal_neither_fails_nor_breaks_it)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct setting setting;
	struct reader reader = { .setting = &setting };
	pthread_t thread;

	setting_make(&setting);
	assert_int_equal(pthread_create(&thread, NULL, reader_run, &reader), 0);
	for (unsigned i = 0; i < 20; i++) {
		EVP_PKEY_free(key);
		key = EVP_EC_gen("P-256");
		if (replace_with(&setting, key) < 0)
			fail_msg("%s", setting.message);
	}
	atomic_store(&reader.end, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(reader.failure, 0);
	assert_true(loads_with(&setting, key));
	EVP_PKEY_free(key);
	setting_free(&setting);
}

TEST(a_certificate_is_due_in_its_last_third)
{
	struct client_identity identity = { .not_before_s = 1000, .not_after_s = 4000 };

	assert_int_equal(client_identity_due(&identity, 1000), 0);
	assert_int_equal(client_identity_due(&identity, 3000), 0);
	assert_int_equal(client_identity_due(&identity, 3001), 1);
	assert_int_equal(client_identity_due(&identity, 9000), 1);
}

TEST_MAIN()
