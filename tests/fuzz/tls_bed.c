/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/tls_bed.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <openssl/pem.h>

#include "control/terminals/terminals.h"
#include "tests/keying/pki.h"

#define DEPLOYMENT "fuzz"
#define BOOT_ID    77

static char message[512];

/* The link and the data plane in one: takes all work and says yes. */
static void wake(void *context)
{
	struct tls_bed *bed = context;
	struct session_work work[16];
	unsigned count;

	do {
		count =
		    sessions_work(bed->sessions, database_now_ns(), work, SLUICE_ARRAY_COUNT(work));
		for (unsigned i = 0; i < count; i++)
			sessions_work_done(bed->sessions, &work[i], 0);
		sessions_work_wipe(work, count);
	} while (count > 0);
}

static uint64_t boot_id(void *context)
{
	(void)context;
	return BOOT_ID;
}

static void parts_open(struct tls_bed *bed)
{
	static const struct sessions_settings settings = {
		.slots_max = 64,
		.life_ns = 86400ull * 1000000000,
		.epoch_ns = 3600ull * 1000000000,
		.rate_per_s = 50,
		.rate_burst = 100,
	};
	char path[128];

	/* Memory: speed matters here, durability does not. */
	snprintf(bed->folder, sizeof(bed->folder), "/dev/shm/sluice-fuzz-XXXXXX");
	SLUICE_REQUIRE(mkdtemp(bed->folder) != NULL);
	snprintf(path, sizeof(path), "%s/control", bed->folder);
	SLUICE_REQUIRE(mkdir(path, 0700) == 0);
	SLUICE_REQUIRE(
	    database_open(&bed->database, path, DEPLOYMENT, message, sizeof(message)) == 0);
	SLUICE_REQUIRE(sessions_create(&bed->sessions, bed->database, &settings) == 0);
	(void)sessions_boot(bed->sessions, BOOT_ID);
	snprintf(path, sizeof(path), "%s/ca", bed->folder);
	SLUICE_REQUIRE(
	    authority_open(&bed->authority, path, &bed->config, message, sizeof(message)) == 0);
	SLUICE_REQUIRE(authority_init(bed->authority, message, sizeof(message)) == 0);
}

/* A certificate of our authority; enrolled, and blocked then, as `kind` says. */
static struct pki terminal_make(struct tls_bed *bed, enum tls_client kind)
{
	const struct terminal_settings settings = { "kiosk", "door", -1, -1, -1, -1 };
	const struct audit_entry who = { .user = "fuzz", .action = "enroll", .outcome = "done" };
	uint64_t terminal_id = (uint64_t)kind + 7; /* fuzz_tls seeds renew terminal 7 */
	struct authority_certificate issued;
	struct terminal_certificate record;
	struct terminal_change change;
	struct pki pki;
	char name[40], *request;
	BIO *bio;

	snprintf(name, sizeof(name), "terminal-%llu", (unsigned long long)terminal_id);
	request = pki_request(name, "P-256", &pki.key);
	SLUICE_REQUIRE(authority_issue(bed->authority, request, terminal_id, &issued, message,
	                   sizeof(message)) == 0);
	bio = BIO_new_mem_buf(issued.pem, -1);
	pki.certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	SLUICE_REQUIRE(pki.certificate != NULL);
	memcpy(record.sha256, issued.sha256, sizeof(record.sha256));
	memcpy(record.serial, issued.serial, sizeof(record.serial));
	record.not_before_s = issued.not_before_s;
	record.not_after_s = issued.not_after_s;
	if (kind != TLS_CLIENT_UNKNOWN)
		SLUICE_REQUIRE(terminals_enroll(bed->database, terminal_id, &settings, &record,
		                   &who, &change) == 0);
	if (kind == TLS_CLIENT_BLOCKED)
		SLUICE_REQUIRE(terminals_state_set(bed->database, terminal_id,
		                   CONTROL_TERMINAL_BLOCKED, &who, &change) == 0);
	free(issued.pem);
	free(request);
	return pki;
}

static void client_make(struct tls_bed *bed, enum tls_client kind)
{
	const struct pki_wish wish = { .common_name = "terminal-7",
		.uri = "urn:sluice:" DEPLOYMENT ":terminal:7",
		.usage = "clientAuth" };
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	struct pki own;

	SLUICE_REQUIRE(context != NULL);
	bed->clients[kind] = context;
	if (kind != TLS_CLIENT_BARE) {
		own =
		    kind == TLS_CLIENT_STRANGER ? pki_make(&wish, NULL) : terminal_make(bed, kind);
		SLUICE_REQUIRE(SSL_CTX_use_certificate(context, own.certificate) == 1 &&
		               SSL_CTX_use_PrivateKey(context, own.key) == 1);
		pki_free(&own);
	}
	if (kind == TLS_CLIENT_OTHER_ALPN)
		SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2\10sluice/2", 12);
	else if (kind != TLS_CLIENT_NO_ALPN)
		SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2\10sluice/1", 12);
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
}

void tls_bed_make(struct tls_bed *bed)
{
	*bed = (struct tls_bed){ .folder = "" };
	snprintf(bed->config.deployment, sizeof(bed->config.deployment), DEPLOYMENT);
	bed->config.keys.switch_udp_port = 7400;
	bed->config.keys.switch_udp_port_count = 2;
	bed->config.keys.handshake_timeout_ms = 10000;
	bed->config.keys.terminal_certificate_days = 90;
	bed->config.keys.server_certificate_days = 90;
	bed->config.keys.authority_days = 3650;
	parts_open(bed);
	for (unsigned kind = 0; kind < TLS_CLIENT_COUNT; kind++)
		client_make(bed, (enum tls_client)kind);
	bed->server = calloc(1, sizeof(*bed->server));
	SLUICE_REQUIRE(bed->server != NULL);
	bed->server->config = bed->config;
	bed->server->settings = (struct key_server_config){
		.authority = bed->authority,
		.database = bed->database,
		.sessions = bed->sessions,
		.wake = wake,
		.boot_id = boot_id,
		.context = bed,
	};
}

static int file_remove(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

void tls_bed_free(struct tls_bed *bed)
{
	for (unsigned kind = 0; kind < TLS_CLIENT_COUNT; kind++)
		SSL_CTX_free(bed->clients[kind]);
	free(bed->server);
	sessions_free(bed->sessions);
	authority_close(bed->authority);
	database_close(bed->database);
	(void)nftw(bed->folder, file_remove, 16, FTW_DEPTH | FTW_PHYS);
}

void tls_bed_check(const struct tls_bed *bed)
{
	struct sessions_counts counts;

	sessions_counts(bed->sessions, &counts);
	SLUICE_REQUIRE(counts.reserved == 0 && counts.pending == 0 && counts.ending == 0);
	/* Only one of the terminals here may have a session, and no more than one. */
	SLUICE_REQUIRE(counts.live <= 1);
}
