/* SPDX-License-Identifier: Apache-2.0 */
/* The authority's life and files: made, changed for the next one, crashes, damage. */
#include "tests/control/keys/authority_bed.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "tests/keying/pki.h"

static unsigned mode_of(const char *directory, const char *name)
{
	char path[400];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

TEST(nothing_there_is_no_error)
{
	struct authority *authority = authority_bed_open(authority_bed_directory(), 0);
	struct authority_certificate out = { .pem = NULL };
	char *request = pki_request("terminal-1", "P-256", NULL);

	assert_int_equal(authority_ready(authority), 0);
	assert_null(authority_trust(authority));
	assert_null(authority_server_context(authority));
	assert_int_equal(authority_server_renew(authority, 1), -ENOKEY);
	assert_int_equal(
	    authority_issue(authority, request, 1, &out, authority_said, sizeof(authority_said)),
	    -ENOKEY);
	assert_non_null(strstr(authority_said, "sluicectl ca init"));
	assert_int_equal(
	    authority_renew(authority, authority_said, sizeof(authority_said)), -ENOKEY);
	assert_int_equal(
	    authority_activate(authority, authority_said, sizeof(authority_said)), -ENOENT);
	assert_int_equal(
	    authority_retire(authority, authority_said, sizeof(authority_said)), -ENOENT);
	authority_bed_state_check(authority, "none");
	free(request);
	authority_close(authority);
}

TEST(init_makes_files_only_the_owner_reads_and_only_once)
{
	const char *directory = authority_bed_directory();
	struct authority *authority = authority_bed_open(directory, 1);
	char *before = authority_bed_text(authority, "sha256"), *after;

	assert_int_equal(mode_of(directory, "."), 0700);
	assert_int_equal(mode_of(directory, "ca.key"), 0600);
	assert_int_equal(mode_of(directory, "server.key"), 0600);
	assert_int_equal(mode_of(directory, "ca.crt"), 0644);
	assert_int_equal(mode_of(directory, "trust.crt"), 0644);
	assert_int_equal(authority_ready(authority), 1);
	assert_int_equal(
	    authority_init(authority, authority_said, sizeof(authority_said)), -EEXIST);
	authority_close(authority);

	/* The same one is there the next time. */
	authority = authority_bed_open(directory, 0);
	after = authority_bed_text(authority, "sha256");
	assert_string_equal(before, after);
	assert_int_equal(
	    authority_init(authority, authority_said, sizeof(authority_said)), -EEXIST);
	free(before);
	free(after);
	authority_close(authority);
}

TEST(what_it_shows_has_times_in_ns_and_hashes)
{
	struct authority *authority = authority_bed_open(authority_bed_directory(), 1);
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
	struct control_config config = authority_bed_config("a, URI:urn:sluice:b:control");
	struct authority *authority = NULL;

	assert_int_equal(authority_open(&authority, authority_bed_directory(), &config,
	                     authority_said, sizeof(authority_said)),
	    0);
	assert_int_equal(
	    authority_init(authority, authority_said, sizeof(authority_said)), -EINVAL);
	assert_int_equal(authority_ready(authority), 0);
	authority_close(authority);
}

TEST(the_way_from_one_authority_to_the_next)
{
	const char *directory = authority_bed_directory();
	struct authority *authority = authority_bed_open(directory, 1);
	struct authority_certificate old = authority_bed_issue(authority, 1), middle, fresh;
	X509 *old_x = pem_certificate(old.pem), *middle_x, *fresh_x;
	uint64_t made_s = 1, activated_s = 1;
	char *trust;

	authority_changes(authority, &made_s, &activated_s);
	assert_int_equal(made_s, 0);
	assert_int_equal(activated_s, 0);
	assert_int_equal(authority_renewal_wanted(authority, old_x), 0);

	assert_int_equal(authority_renew(authority, authority_said, sizeof(authority_said)), 0);
	assert_int_equal(
	    authority_renew(authority, authority_said, sizeof(authority_said)), -EEXIST);
	authority_bed_state_check(authority, "next made");
	trust = authority_trust(authority);
	assert_int_equal(pem_count(trust), 2);
	free(trust);
	authority_changes(authority, &made_s, &activated_s);
	assert_true(made_s + 5 > (uint64_t)time(NULL) && made_s <= (uint64_t)time(NULL));
	/* Made before: its terminal does not know the next authority. */
	assert_int_equal(authority_renewal_wanted(authority, old_x), 1);
	middle = authority_bed_issue(authority, 2);
	middle_x = pem_certificate(middle.pem);
	assert_true(authority_bed_verified(authority, middle_x, X509_PURPOSE_SSL_CLIENT));

	authority_close(authority);
	authority = authority_bed_open(directory, 0);
	authority_bed_state_check(authority, "next made");

	assert_int_equal(authority_activate(authority, authority_said, sizeof(authority_said)), 0);
	authority_bed_state_check(authority, "next active");
	assert_int_equal(
	    authority_activate(authority, authority_said, sizeof(authority_said)), -ENOENT);
	assert_int_equal(
	    authority_renew(authority, authority_said, sizeof(authority_said)), -EBUSY);
	authority_changes(authority, &made_s, &activated_s);
	assert_int_equal(made_s, 0);
	assert_true(activated_s != 0);
	fresh = authority_bed_issue(authority, 3);
	fresh_x = pem_certificate(fresh.pem);
	assert_true(authority_bed_verified(authority, old_x, X509_PURPOSE_SSL_CLIENT));
	assert_true(authority_bed_verified(authority, fresh_x, X509_PURPOSE_SSL_CLIENT));
	assert_int_equal(authority_renewal_wanted(authority, middle_x), 1);
	assert_int_equal(authority_renewal_wanted(authority, fresh_x), 0);

	assert_int_equal(authority_retire(authority, authority_said, sizeof(authority_said)), 0);
	assert_int_equal(
	    authority_retire(authority, authority_said, sizeof(authority_said)), -ENOENT);
	authority_bed_state_check(authority, "ready");
	assert_false(authority_bed_verified(authority, old_x, X509_PURPOSE_SSL_CLIENT));
	assert_false(authority_bed_verified(authority, middle_x, X509_PURPOSE_SSL_CLIENT));
	assert_true(authority_bed_verified(authority, fresh_x, X509_PURPOSE_SSL_CLIENT));
	authority_close(authority);
	authority = authority_bed_open(directory, 0);
	authority_bed_state_check(authority, "ready");
	assert_true(authority_bed_verified(authority, fresh_x, X509_PURPOSE_SSL_CLIENT));

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
		const char *directory = authority_bed_directory();
		struct authority *authority = authority_bed_open(directory, 1);
		SSL_CTX *context;

		assert_int_equal(
		    authority_renew(authority, authority_said, sizeof(authority_said)), 0);
		authority_close(authority);
		file_copy(directory, "ca.crt", "previous.crt");
		if (steps > 1)
			file_move(directory, "next.key", "ca.key");
		if (steps > 2)
			file_move(directory, "next.crt", "ca.crt");
		authority = authority_bed_open(directory, 0);
		authority_bed_state_check(authority, want[steps - 1]);
		context = authority_server_context(authority);
		assert_true(authority_bed_verified(
		    authority, SSL_CTX_get0_certificate(context), X509_PURPOSE_SSL_SERVER));
		SSL_CTX_free(context);
		authority_close(authority);
	}
}

TEST(a_crash_within_init_or_renew_is_healed)
{
	const char *directory = authority_bed_directory();
	struct authority *authority = authority_bed_open(directory, 1);

	assert_int_equal(authority_renew(authority, authority_said, sizeof(authority_said)), 0);
	authority_close(authority);
	file_remove(directory, "next.crt"); /* renew: only the key was there */
	authority = authority_bed_open(directory, 0);
	authority_bed_state_check(authority, "ready");
	authority_close(authority);
	file_remove(directory, "trust.crt"); /* init: no server certificate, no trust yet */
	file_remove(directory, "server.crt");
	authority = authority_bed_open(directory, 0);
	assert_int_equal(authority_ready(authority), 1);
	authority_close(authority);
	file_remove(directory, "ca.crt"); /* init: only the key was there */
	authority = authority_bed_open(directory, 0);
	authority_bed_state_check(authority, "none");
	assert_int_equal(authority_init(authority, authority_said, sizeof(authority_said)), 0);
	authority_close(authority);
}

TEST(a_next_authority_that_cannot_be_told_was_never_made)
{
	const char *directory = authority_bed_directory();
	struct authority *authority = authority_bed_open(directory, 1);
	char path[400];

	/* A directory in the way of the file that is written first. */
	snprintf(path, sizeof(path), "%s/trust.crt.tmp", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_not_equal(authority_renew(authority, authority_said, sizeof(authority_said)), 0);
	assert_non_null(strstr(authority_said, directory));
	authority_bed_state_check(authority, "ready");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(authority_renew(authority, authority_said, sizeof(authority_said)), 0);
	authority_bed_state_check(authority, "next made");
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
		const char *directory = authority_bed_directory();
		struct authority *authority = authority_bed_open(directory, 1);
		struct control_config config = authority_bed_config("test");

		assert_int_equal(
		    authority_renew(authority, authority_said, sizeof(authority_said)), 0);
		authority_close(authority);
		file_copy(directory, rows[i].from, rows[i].to);
		authority = NULL;
		assert_case_equal(i,
		    authority_open(&authority, directory, &config, authority_said,
		        sizeof(authority_said)) != 0,
		    1);
		assert_null(authority);
		assert_non_null(strstr(authority_said, rows[i].to));
	}
}

TEST(the_server_certificate_is_renewed_when_due_or_forced)
{
	const char *directory = authority_bed_directory();
	struct authority *authority = authority_bed_open(directory, 1);
	struct control_config config = authority_bed_config("test");
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
