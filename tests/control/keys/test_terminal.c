/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal library and the key server together: a terminal's life over changing authorities. */
#include "tests/test.h"

#include <errno.h>
#include <pthread.h>

#include "tests/control/keys/bed.h"
#include "wire/client/identity.h"
#include "wire/client/keying_client.h"

static char message[CLIENT_KEYING_MESSAGE_SIZE];

struct terminal {
	char directory[128], address[32];
	struct client_keying_config config;
	uint64_t id;
};

static char *text_read(const char *directory, const char *name)
{
	char path[200], *text = calloc(1, 65536);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static void text_write(const char *directory, const char *name, const char *text)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

/* As an operator would: request out of the terminal's directory, certificate and trust into it. */
static void terminal_enroll(struct bed *bed, struct terminal *terminal, uint64_t id)
{
	struct terminal_settings settings = { "kiosk", "door", -1, -1, -1, -1 };
	struct audit_entry who = { .user = "test", .action = "terminal enroll", .outcome = "done" };
	struct authority_certificate issued;
	struct terminal_certificate record;
	struct terminal_change change;
	char *request, *trust = authority_trust(bed->authority);

	memset(terminal, 0, sizeof(*terminal));
	terminal->id = id;
	snprintf(terminal->directory, sizeof(terminal->directory), "%s/terminal-%llu", bed->folder,
	    (unsigned long long)id);
	snprintf(
	    terminal->address, sizeof(terminal->address), "127.0.0.1:%u", bed_counts(bed).port);
	terminal->config = (struct client_keying_config){ .address = terminal->address,
		.directory = terminal->directory,
		.deployment = BED_DEPLOYMENT,
		.terminal_id = id };
	if (client_identity_make(
	        terminal->directory, BED_DEPLOYMENT, id, message, sizeof(message)) != 0)
		fail_msg("identity: %s", message);
	request = text_read(terminal->directory, CLIENT_IDENTITY_REQUEST);
	if (authority_issue(bed->authority, request, id, &issued, message, sizeof(message)) != 0)
		fail_msg("issue: %s", message);
	memcpy(record.sha256, issued.sha256, sizeof(record.sha256));
	memcpy(record.serial, issued.serial, sizeof(record.serial));
	record.not_before_s = issued.not_before_s;
	record.not_after_s = issued.not_after_s;
	assert_int_equal(terminals_enroll(bed->database, id, &settings, &record, &who, &change), 0);
	text_write(terminal->directory, CLIENT_IDENTITY_CERTIFICATE, issued.pem);
	text_write(terminal->directory, CLIENT_IDENTITY_TRUST, trust);
	free(issued.pem);
	free(request);
	free(trust);
}

static struct client_keying_result established(struct terminal *terminal)
{
	struct client_keying_result result = { 0 };

	if (client_keying_establish(&terminal->config, &result, message, sizeof(message)) != 0)
		fail_msg("establish: %s", message);
	assert_int_equal(result.terminal_id, terminal->id);
	assert_int_equal(result.boot_id, BED_BOOT_ID);
	assert_false(bytes_all_zero(result.root, sizeof(result.root)));
	return result;
}

static void renewed(struct terminal *terminal)
{
	struct client_keying_result result = { 0 };

	if (client_keying_renew(&terminal->config, &result, message, sizeof(message)) != 0)
		fail_msg("renew: %s", message);
}

TEST(a_terminal_lives_through_a_change_of_authority)
{
	struct client_keying_result result = { 0 };
	struct terminal terminal, late;
	struct bed bed;

	bed_make(&bed, 1);
	terminal_enroll(&bed, &terminal, 42);
	terminal_enroll(&bed, &late, 43);
	result = established(&terminal);
	assert_int_equal(result.certificate_due, 0);
	renewed(&terminal); /* with nothing changed */
	assert_int_equal(established(&terminal).certificate_due, 0);

	assert_int_equal(authority_renew(bed.authority, message, sizeof(message)), 0);
	assert_int_equal(established(&terminal).certificate_due, 1);
	renewed(&terminal);
	assert_int_equal(authority_activate(bed.authority, message, sizeof(message)), 0);
	/* Its certificate is of the authority that goes, and it trusts the one that came. */
	assert_int_equal(established(&terminal).certificate_due, 1);
	renewed(&terminal);
	assert_int_equal(established(&terminal).certificate_due, 0);
	/* One that was away all the time does not know who answers. */
	assert_int_equal(
	    client_keying_establish(&late.config, &result, message, sizeof(message)), -EACCES);

	assert_int_equal(authority_retire(bed.authority, message, sizeof(message)), 0);
	assert_int_equal(established(&terminal).certificate_due, 0);
	assert_int_equal(bed_counts(&bed).renewed, 3);
	bed_free(&bed);
}

TEST(revoked_and_enrolled_again)
{
	struct audit_entry who = { .user = "test", .action = "test", .outcome = "done" };
	struct client_keying_result result = { 0 };
	struct terminal_change change;
	struct terminal terminal;
	struct bed bed;

	bed_make(&bed, 1);
	terminal_enroll(&bed, &terminal, 42);
	(void)established(&terminal);
	assert_int_equal(
	    terminals_state_set(bed.database, 42, CONTROL_TERMINAL_REVOKED, &who, &change), 0);
	assert_int_equal(sessions_end_terminal(bed.sessions, 42), 1);
	assert_int_equal(
	    client_keying_establish(&terminal.config, &result, message, sizeof(message)),
	    -ECONNABORTED);
	assert_int_equal(result.refusal.code, KEYING_REFUSAL_CERTIFICATE_REVOKED);
	assert_int_equal(client_keying_renew(&terminal.config, &result, message, sizeof(message)),
	    -ECONNABORTED);
	bed_free(&bed);
}

#define TERMINALS 24
#define ROUNDS    4

static void *terminal_run(void *argument)
{
	struct terminal *terminal = argument;
	struct client_keying_result result = { 0 };
	char text[CLIENT_KEYING_MESSAGE_SIZE];
	intptr_t failures = 0;

	for (int i = 0; i < ROUNDS; i++)
		failures +=
		    client_keying_establish(&terminal->config, &result, text, sizeof(text)) != 0;
	return (void *)failures;
}

TEST(many_terminals_at_once)
{
	static struct terminal terminals[TERMINALS];
	pthread_t threads[TERMINALS];
	struct sessions_counts counts;
	struct bed bed;

	bed_make(&bed, 1);
	for (unsigned i = 0; i < TERMINALS; i++)
		terminal_enroll(&bed, &terminals[i], 100 + i);
	for (unsigned i = 0; i < TERMINALS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, terminal_run, &terminals[i]), 0);
	for (unsigned i = 0; i < TERMINALS; i++) {
		void *failures;

		assert_int_equal(pthread_join(threads[i], &failures), 0);
		assert_case_equal(i, (intptr_t)failures, 0);
	}
	bed_quiet(&bed);
	sessions_counts(bed.sessions, &counts);
	assert_int_equal(counts.live, TERMINALS);
	assert_int_equal(counts.reserved + counts.pending + counts.ending, 0);
	assert_int_equal(bed_counts(&bed).established, TERMINALS * ROUNDS);
	bed_free(&bed);
}

TEST_MAIN()
