/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/control/keys/bed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "tests/test.h"

#define WAIT_MS_MAX 20000

static char message[512];

/* The link and the data plane in one: takes all work and says yes. */
static void wake(void *context)
{
	struct bed *bed = context;
	struct session_work work[16];
	unsigned count;

	if (!atomic_load(&bed->installs))
		return;
	do {
		count =
		    sessions_work(bed->sessions, database_now_ns(), work, SLUICE_ARRAY_COUNT(work));
		for (unsigned i = 0; i < count; i++) {
			if (work[i].kind == SESSION_WORK_END)
				atomic_fetch_add(&bed->ends, 1);
			sessions_work_done(bed->sessions, &work[i], 0);
		}
		sessions_work_wipe(work, count);
	} while (count > 0);
}

static uint64_t boot_id(void *context)
{
	(void)context;
	return BED_BOOT_ID;
}

static void server_start(struct bed *bed)
{
	sigset_t pipe, before;
	struct key_server_config config = {
		.config = &bed->config,
		.authority = bed->authority,
		.database = bed->database,
		.sessions = bed->sessions,
		.wake = wake,
		.boot_id = boot_id,
		.context = bed,
	};

	/* Its thread begins with SIGPIPE not blocked, as in a program that has done nothing. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	(void)pthread_sigmask(SIG_UNBLOCK, &pipe, &before);
	if (key_server_start(&bed->server, &config, message, sizeof(message)) != 0)
		fail_msg("start: %s", message);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void bed_issuer_read(struct bed *bed)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/ca/ca.crt", bed->folder);
	file = fopen(path, "r");
	assert_non_null(file);
	bed->issuer.certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	snprintf(path, sizeof(path), "%s/ca/ca.key", bed->folder);
	file = fopen(path, "r");
	assert_non_null(file);
	bed->issuer.key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	assert_non_null(bed->issuer.certificate);
	assert_non_null(bed->issuer.key);
}

void bed_make(struct bed *bed, int init)
{
	static const struct sessions_settings settings = {
		.slots_max = 64,
		.life_ns = 86400ull * 1000000000,
		.epoch_ns = 3600ull * 1000000000,
		.rate_per_s = 50,
		.rate_burst = 100,
	};
	char path[128];
	sigset_t pipe;

	memset(bed, 0, sizeof(*bed));
	atomic_store(&bed->installs, 1);
	snprintf(bed->folder, sizeof(bed->folder), "/tmp/sluice-keys-XXXXXX");
	assert_non_null(mkdtemp(bed->folder));
	snprintf(bed->config.deployment, sizeof(bed->config.deployment), BED_DEPLOYMENT);
	snprintf(bed->config.keys.address, sizeof(bed->config.keys.address), "127.0.0.1");
	snprintf(
	    bed->config.keys.switch_address, sizeof(bed->config.keys.switch_address), "198.18.0.1");
	bed->config.keys.switch_udp_port = 7400;
	bed->config.keys.switch_udp_port_count = 2;
	bed->config.keys.handshakes_parallel_max = 32;
	bed->config.keys.handshake_timeout_ms = 10000;
	bed->config.keys.address_rate_per_s = 100000;
	bed->config.keys.address_burst = 100000;
	bed->config.keys.terminal_certificate_days = 90;
	bed->config.keys.server_certificate_days = 90;
	bed->config.keys.authority_days = 3650;
	snprintf(path, sizeof(path), "%s/control", bed->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	if (database_open(&bed->database, path, BED_DEPLOYMENT, message, sizeof(message)) != 0)
		fail_msg("database: %s", message);
	assert_int_equal(sessions_create(&bed->sessions, bed->database, &settings), 0);
	(void)sessions_boot(bed->sessions, BED_BOOT_ID);
	snprintf(path, sizeof(path), "%s/ca", bed->folder);
	if (authority_open(&bed->authority, path, &bed->config, message, sizeof(message)) != 0)
		fail_msg("authority: %s", message);
	if (init) {
		if (authority_init(bed->authority, message, sizeof(message)) != 0)
			fail_msg("init: %s", message);
		bed_issuer_read(bed);
	}
	server_start(bed);
	/* For the terminal here; the server must look after its own thread. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
}

void bed_restart(struct bed *bed)
{
	key_server_stop(bed->server);
	server_start(bed);
}

static int file_remove(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

void bed_free(struct bed *bed)
{
	key_server_stop(bed->server);
	sessions_free(bed->sessions);
	authority_close(bed->authority);
	database_close(bed->database);
	if (bed->issuer.certificate != NULL)
		pki_free(&bed->issuer);
	(void)nftw(bed->folder, file_remove, 16, FTW_DEPTH | FTW_PHYS);
}

struct pki bed_terminal(struct bed *bed, uint64_t terminal_id, int enroll)
{
	struct terminal_settings settings = { "kiosk", "door", -1, -1, -1, -1 };
	struct audit_entry who = {
		.uid = 0, .user = "test", .action = "terminal enroll", .outcome = "done"
	};
	struct authority_certificate issued;
	struct terminal_certificate record;
	struct terminal_change change;
	struct pki pki;
	char name[40], *request;
	BIO *bio;

	snprintf(name, sizeof(name), "terminal-%llu", (unsigned long long)terminal_id);
	request = pki_request(name, "P-256", &pki.key);
	if (authority_issue(
	        bed->authority, request, terminal_id, &issued, message, sizeof(message)) != 0)
		fail_msg("issue: %s", message);
	bio = BIO_new_mem_buf(issued.pem, -1);
	pki.certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(pki.certificate);
	BIO_free(bio);
	memcpy(record.sha256, issued.sha256, sizeof(record.sha256));
	memcpy(record.serial, issued.serial, sizeof(record.serial));
	record.not_before_s = issued.not_before_s;
	record.not_after_s = issued.not_after_s;
	if (enroll)
		assert_int_equal(
		    terminals_enroll(bed->database, terminal_id, &settings, &record, &who, &change),
		    0);
	free(issued.pem);
	free(request);
	return pki;
}

struct key_server_counts bed_counts(const struct bed *bed)
{
	struct key_server_counts counts;

	key_server_counts(bed->server, &counts);
	return counts;
}

void bed_quiet(const struct bed *bed)
{
	for (int i = 0; i < WAIT_MS_MAX; i++) {
		if (bed_counts(bed).open == 0)
			return;
		(void)poll(NULL, 0, 1);
	}
	fail_msg("a connection stays open");
}

void bed_nothing_made(struct bed *bed)
{
	struct sessions_counts counts;

	bed_quiet(bed);
	sessions_counts(bed->sessions, &counts);
	assert_int_equal(counts.live, 0);
	assert_int_equal(counts.pending, 0);
	assert_int_equal(counts.reserved, 0);
	assert_int_equal(counts.installs, 0);
	assert_int_equal(bed_counts(bed).established, 0);
}

void bed_client_make(struct bed *bed, struct bed_client *client, const struct pki *own)
{
	client->fd = -1;
	client->ssl = NULL;
	client->context = SSL_CTX_new(TLS_client_method());
	assert_non_null(client->context);
	if (own != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(client->context, own->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(client->context, own->key), 1);
	}
	SSL_CTX_set_ciphersuites(client->context, "TLS_AES_256_GCM_SHA384");
	SSL_CTX_set_alpn_protos(client->context, (const unsigned char *)"\10sluice/1", 9);
	if (bed->issuer.certificate != NULL)
		X509_STORE_add_cert(
		    SSL_CTX_get_cert_store(client->context), bed->issuer.certificate);
	SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
}

int bed_tcp(const struct bed *bed)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(bed_counts(bed).port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = WAIT_MS_MAX / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int bed_client_connect(struct bed *bed, struct bed_client *client)
{
	client->fd = bed_tcp(bed);
	assert_true(client->fd >= 0);
	client->ssl = SSL_new(client->context);
	SSL_set_fd(client->ssl, client->fd);
	return SSL_connect(client->ssl) == 1;
}

static int read_all(struct bed_client *client, uint8_t *out, size_t size)
{
	for (size_t done = 0, part; done < size; done += part)
		if (SSL_read_ex(client->ssl, out + done, size - done, &part) != 1)
			return 0;
	return 1;
}

int bed_client_read(struct bed_client *client, uint8_t *answer, size_t *answer_size)
{
	uint8_t header[8];
	enum keying_kind kind;
	uint32_t length;

	if (!read_all(client, header, sizeof(header)))
		return 0;
	assert_int_equal(keying_header_read(header, sizeof(header), &kind, &length), 0);
	if (!read_all(client, answer, length))
		return 0;
	*answer_size = length;
	return (int)kind;
}

int bed_client_ask(struct bed_client *client, unsigned kind, const void *body, size_t size,
    uint8_t *answer, size_t *answer_size)
{
	static uint8_t bytes[8 + KEYING_BODY_SIZE_MAX];
	struct keying_header header = { le16_make(1), le16_make((uint16_t)kind),
		le32_make((uint32_t)size) };
	size_t written;

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), body, size);
	if (SSL_write_ex(client->ssl, bytes, sizeof(header) + size, &written) != 1)
		return 0;
	return bed_client_read(client, answer, answer_size);
}

int bed_client_establish(
    struct bed_client *client, struct keying_established *answer, unsigned *refusal)
{
	static uint8_t body[KEYING_BODY_SIZE_MAX];
	struct keying_establish request = { .aead = le16_make(KEYING_AEAD_AES256GCM) };
	struct keying_refused refused;
	size_t size = 0;
	int kind = bed_client_ask(client, KEYING_ESTABLISH, &request, sizeof(request), body, &size);

	*refusal = 0;
	if (kind == KEYING_ESTABLISHED) {
		assert_int_equal(size, sizeof(*answer));
		memcpy(answer, body, sizeof(*answer));
	} else if (kind == KEYING_REFUSED) {
		assert_true(size > sizeof(refused));
		memcpy(&refused, body, sizeof(refused));
		*refusal = le16_get(refused.code);
	}
	return kind;
}

void bed_client_free(struct bed_client *client)
{
	SSL_free(client->ssl);
	if (client->fd >= 0)
		close(client->fd);
	SSL_CTX_free(client->context);
}
