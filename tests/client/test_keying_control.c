/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal's side of key establishment against control's real key server and authority. */
#include <errno.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "tests/client/key_peer.h"
#include "tests/control/keys/bed.h"
#include "tests/test.h"
#include "wire/client/keying_client.h"

#define TERMINAL 77u

struct setting {
	struct bed bed;
	char *directory, address[32];
	struct client_keying_config config;
	struct client_keying_result result;
	char message[CLIENT_KEYING_MESSAGE_SIZE];
};

static char *file_text(const char *directory, const char *name)
{
	char path[256], *text = calloc(1, CLIENT_IDENTITY_FILE_MAX);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, CLIENT_IDENTITY_FILE_MAX - 1, file) > 0);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void file_put(const char *directory, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What `sluicectl terminal enroll` does with the request the terminal made. */
static void enroll(struct setting *setting)
{
	struct terminal_settings settings = { "kiosk", "door", -1, -1, -1, -1 };
	struct audit_entry who = {
		.uid = 0, .user = "test", .action = "terminal enroll", .outcome = "done"
	};
	char *request = file_text(setting->directory, CLIENT_IDENTITY_REQUEST), *trust;
	struct terminal_certificate record = { .not_before_s = 0 };
	struct authority_certificate issued;
	struct terminal_change change;

	if (authority_issue(setting->bed.authority, request, TERMINAL, &issued, setting->message,
	        sizeof(setting->message)) != 0)
		fail_msg("issue: %s", setting->message);
	memcpy(record.sha256, issued.sha256, sizeof(record.sha256));
	memcpy(record.serial, issued.serial, sizeof(record.serial));
	record.not_before_s = issued.not_before_s;
	record.not_after_s = issued.not_after_s;
	assert_int_equal(
	    terminals_enroll(setting->bed.database, TERMINAL, &settings, &record, &who, &change),
	    0);
	file_put(setting->directory, CLIENT_IDENTITY_CERTIFICATE, issued.pem);
	trust = authority_trust(setting->bed.authority);
	file_put(setting->directory, CLIENT_IDENTITY_TRUST, trust);
	free(trust);
	free(issued.pem);
	free(request);
}

static void setting_make(struct setting *setting)
{
	memset(setting, 0, sizeof(*setting));
	bed_make(&setting->bed, 1);
	setting->directory = key_directory_make(NULL, 0, 0);
	if (client_identity_make(setting->directory, BED_DEPLOYMENT, TERMINAL, setting->message,
	        sizeof(setting->message)) < 0)
		fail_msg("%s", setting->message);
	enroll(setting);
	snprintf(setting->address, sizeof(setting->address), "127.0.0.1:%u",
	    bed_counts(&setting->bed).port);
	setting->config = (struct client_keying_config){ .address = setting->address,
		.directory = setting->directory,
		.deployment = BED_DEPLOYMENT,
		.timeout_ns = 30000000000ull };
}

static void setting_free(struct setting *setting)
{
	bed_quiet(&setting->bed); /* the terminal hangs up; nothing stays open */
	bed_free(&setting->bed);
	key_directory_remove(setting->directory);
}

static int establish(struct setting *setting)
{
	int rc = client_keying_establish(
	    &setting->config, &setting->result, setting->message, sizeof(setting->message));

	if (rc < 0)
		printf("  %d: %s\n", rc, setting->message);
	return rc;
}

static int renew(struct setting *setting)
{
	return client_keying_renew(
	    &setting->config, &setting->result, setting->message, sizeof(setting->message));
}

TEST(the_keys_control_installs_are_those_the_terminal_derives)
{
	uint8_t key[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE], reset_key[KEYS_RESET_SIZE];
	struct session_work work[4];
	struct setting setting;
	unsigned count;

	setting_make(&setting);
	atomic_store(&setting.bed.installs, 0); /* so that the work is left for us */
	assert_int_equal(establish(&setting), 0);
	assert_int_equal(setting.result.terminal_id, TERMINAL);
	assert_int_equal(setting.result.boot_id, BED_BOOT_ID);
	assert_int_equal(setting.result.address_ipv4, 0xc6120001);
	assert_int_equal(setting.result.udp_port, 7400);
	assert_int_equal(setting.result.udp_port_count, 2);
	assert_true(setting.result.expires_ns > setting.result.switch_time_ns);
	assert_int_equal(setting.result.certificate_due, 0);
	count = sessions_work(setting.bed.sessions, database_now_ns(), work, 4);
	assert_int_equal(count, 1);
	assert_int_equal(work[0].kind, SESSION_WORK_INSTALL);
	assert_int_equal(work[0].session_id, setting.result.session_id);
	assert_int_equal(work[0].epoch, setting.result.epoch);
	assert_int_equal(work[0].rights, setting.result.rights);
	assert_int_equal(keys_derive(setting.result.root, KEYS_TO_SWITCH, setting.result.epoch,
	                     BED_BOOT_ID, key, iv),
	    0);
	assert_memory_equal(work[0].to_switch_key, key, sizeof(key));
	assert_memory_equal(work[0].to_switch_iv, iv, sizeof(iv));
	assert_int_equal(keys_derive(setting.result.root, KEYS_TO_TERMINAL, setting.result.epoch,
	                     BED_BOOT_ID, key, iv),
	    0);
	assert_memory_equal(work[0].to_terminal_key, key, sizeof(key));
	assert_int_equal(keys_derive_reset(setting.result.root, reset_key), 0);
	assert_memory_equal(work[0].reset_key, reset_key, sizeof(reset_key));
	sessions_work_wipe(work, count);
	setting_free(&setting);
}

TEST(a_blocked_terminal_is_told_so)
{
	struct audit_entry who = {
		.uid = 0, .user = "test", .action = "terminal block", .outcome = "done"
	};
	struct terminal_change change;
	struct setting setting;

	setting_make(&setting);
	assert_int_equal(terminals_state_set(setting.bed.database, TERMINAL,
	                     CONTROL_TERMINAL_BLOCKED, &who, &change),
	    0);
	assert_int_equal(establish(&setting), -ECONNABORTED);
	assert_int_equal(setting.result.refusal.code, KEYING_REFUSAL_TERMINAL_BLOCKED);
	assert_int_equal(renew(&setting), -ECONNABORTED);
	assert_int_equal(setting.result.refusal.code, KEYING_REFUSAL_TERMINAL_BLOCKED);
	assert_int_equal(client_keying_retry(-ECONNABORTED, &setting.result), 0);
	setting_free(&setting);
}

TEST(a_renewed_certificate_works_and_ends_the_one_before)
{
	char *key, *certificate;
	struct setting setting;

	setting_make(&setting);
	key = file_text(setting.directory, CLIENT_IDENTITY_KEY);
	certificate = file_text(setting.directory, CLIENT_IDENTITY_CERTIFICATE);
	if (renew(&setting) < 0)
		fail_msg("%s", setting.message);
	assert_int_equal(establish(&setting), 0);
	file_put(setting.directory, CLIENT_IDENTITY_KEY, key);
	file_put(setting.directory, CLIENT_IDENTITY_CERTIFICATE, certificate);
	assert_int_equal(establish(&setting), -ECONNABORTED);
	assert_true(setting.result.refusal.code == KEYING_REFUSAL_CERTIFICATE_REPLACED ||
	            setting.result.refusal.code == KEYING_REFUSAL_CERTIFICATE_REVOKED);
	free(key);
	free(certificate);
	setting_free(&setting);
}

/* Renewal of the authority, from the terminal: told to renew, then through both changes. */
TEST(a_terminal_follows_its_authority_to_the_next_one)
{
	struct setting setting;
	char *trust, *second;

	setting_make(&setting);
	assert_int_equal(establish(&setting), 0);
	if (authority_renew(setting.bed.authority, setting.message, sizeof(setting.message)) != 0)
		fail_msg("%s", setting.message);
	assert_int_equal(establish(&setting), 0);
	assert_int_equal(setting.result.certificate_due, 1); /* to learn of the next authority */
	assert_int_equal(renew(&setting), 0);
	trust = file_text(setting.directory, CLIENT_IDENTITY_TRUST);
	second = strstr(trust, "-----BEGIN");
	assert_non_null(second);
	assert_non_null(strstr(second + 1, "-----BEGIN"));
	free(trust);
	assert_int_equal(establish(&setting), 0);
	if (authority_activate(setting.bed.authority, setting.message, sizeof(setting.message)) !=
	    0)
		fail_msg("%s", setting.message);
	assert_int_equal(establish(&setting), 0);
	assert_int_equal(renew(&setting), 0);
	assert_int_equal(establish(&setting), 0);
	if (authority_retire(setting.bed.authority, setting.message, sizeof(setting.message)) != 0)
		fail_msg("%s", setting.message);
	assert_int_equal(establish(&setting), 0);
	setting_free(&setting);
}

TEST_MAIN()
