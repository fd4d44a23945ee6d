/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a terminal asks for. Order in ESTABLISH: admitted -> slot reserved -> root taken (only from
 * a verified connection, keying_root_export) -> handed to the registry -> admitted still -> the
 * data plane has it -> answer. Whatever fails takes back what came before.
 */
#include "control/keys/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "control/log/log.h"
#include "control/terminals/terminals.h"

#define BUSY_RETRY_S         5
#define NO_AUTHORITY_RETRY_S 60

static void answer_put(
    struct connection *connection, enum keying_kind kind, const void *first, size_t first_size)
{
	struct keying_header header = {
		.version = le16_make(KEYING_VERSION),
		.kind = le16_make((uint16_t)kind),
		.length = le32_make((uint32_t)first_size),
	};

	memcpy(connection->out, &header, sizeof(header));
	memcpy(connection->out + sizeof(header), first, first_size);
	connection->out_size = sizeof(header) + first_size;
	connection->out_sent = 0;
	connection->state = CONNECTION_ANSWER;
}

/* More of the body; 0 or -EMSGSIZE. */
static int answer_append(struct connection *connection, const void *data, size_t size)
{
	struct keying_header header;

	if (size > sizeof(connection->out) - connection->out_size)
		return -EMSGSIZE;
	memcpy(connection->out + connection->out_size, data, size);
	connection->out_size += size;
	memcpy(&header, connection->out, sizeof(header));
	header.length = le32_make((uint32_t)(connection->out_size - sizeof(header)));
	memcpy(connection->out, &header, sizeof(header));
	return 0;
}

void serve_refuse(struct key_server *server, struct connection *connection, unsigned code)
{
	struct keying_refused refused = { .code = le16_make((uint16_t)code) };
	const char *name = keying_refusal_name(code), *text = keying_refusal_text(code);

	SLUICE_REQUIRE(name != NULL && text != NULL);
	serve_undo(server, connection);
	if (code == KEYING_REFUSAL_BUSY)
		refused.retry_after_s = le16_make(BUSY_RETRY_S);
	else if (code == KEYING_REFUSAL_NO_AUTHORITY)
		refused.retry_after_s = le16_make(NO_AUTHORITY_RETRY_S);
	answer_put(connection, KEYING_REFUSED, &refused, sizeof(refused));
	(void)!answer_append(connection, text, strlen(text));
	connection->closing = 1;
	INTERNAL_COUNT(server, refused);
	if (code == KEYING_REFUSAL_BAD_REQUEST)
		INTERNAL_COUNT(server, protocol_errors);
	if (code >= KEYING_REFUSAL_TERMINAL_UNKNOWN && code <= KEYING_REFUSAL_CERTIFICATE_REPLACED)
		INTERNAL_COUNT(server, certificate_refused);
	log_event(LOG_WARNING, "keys", "refused",
	    &(struct log_ids){ .terminal = connection->terminal_id }, "%s: %s (from %s)", name,
	    text, connection->address);
}

void serve_undo(struct key_server *server, struct connection *connection)
{
	if (connection->offer_state == OFFER_RESERVED)
		sessions_cancel(server->settings.sessions, &connection->offer);
	if (connection->offer_state == OFFER_ESTABLISHED) {
		(void)sessions_end(server->settings.sessions, connection->offer.session_id);
		server->settings.wake(server->settings.context);
	}
	connection->offer_state = OFFER_NONE;
}

unsigned serve_peer(struct key_server *server, struct connection *connection)
{
	X509 *peer = SSL_get0_peer_certificate(connection->ssl);
	const unsigned char *alpn = NULL;
	unsigned alpn_size = 0, hash_size = 0;
	uint64_t terminal_id = 0;
	uint8_t hash[EVP_MAX_MD_SIZE];

	/* A client that offers no ALPN gets through the handshake. */
	SSL_get0_alpn_selected(connection->ssl, &alpn, &alpn_size);
	if (alpn_size != sizeof(KEYING_ALPN) - 1)
		return KEYING_REFUSAL_BAD_REQUEST;
	if (peer == NULL || SSL_get_verify_result(connection->ssl) != X509_V_OK ||
	    keying_role_read(
	        peer, authority_deployment(server->settings.authority), &terminal_id) != 0 ||
	    terminal_id == 0)
		return KEYING_REFUSAL_TERMINAL_UNKNOWN;
	if (X509_digest(peer, EVP_sha256(), hash, &hash_size) != 1 || hash_size != 32)
		return KEYING_REFUSAL_BUSY;
	memcpy(connection->certificate_sha256, hash, 32);
	connection->terminal_id = terminal_id;
	return 0;
}

static unsigned admit(struct key_server *server, const struct connection *connection,
    struct record_control_terminal *row)
{
	return (unsigned)terminals_admit(server->settings.database, connection->terminal_id,
	    connection->certificate_sha256, row);
}

/* Reserved slot and verified connection to a session in the registry. 0 or a refusal. */
static unsigned root_hand_over(struct key_server *server, struct connection *connection,
    const struct record_control_terminal *row)
{
	struct keying_context context = {
		.version = le16_make(WIRE_VERSION),
		.aead = le16_make(KEYING_AEAD_AES256GCM),
		.session_id = le32_make(connection->offer.session_id),
		.terminal_id = le64_make(connection->terminal_id),
	};
	const char *deployment = authority_deployment(server->settings.authority);
	uint8_t root[KEYS_ROOT_SIZE];
	int error = keying_deployment_hash(deployment, context.deployment_sha256);

	if (error == 0)
		error = keying_root_export(connection->ssl, 1, &context, root);
	if (error == 0)
		error = sessions_establish(server->settings.sessions, &connection->offer, root,
		    le32_get(row->rights), le32_get(row->rate_per_s), le32_get(row->rate_burst));
	OPENSSL_cleanse(root, sizeof(root));
	return error == 0 ? 0 : KEYING_REFUSAL_BUSY;
}

static unsigned establish(struct key_server *server, struct connection *connection, uint64_t now_ns)
{
	struct record_control_terminal row;
	uint64_t version;
	unsigned refusal = admit(server, connection, &row);

	if (refusal != 0)
		return refusal;
	version = le64_get(row.version);
	if (sessions_reserve(server->settings.sessions, connection->terminal_id, version,
	        &connection->offer) != 0)
		return KEYING_REFUSAL_BUSY;
	connection->offer_state = OFFER_RESERVED;
	connection->rights = le32_get(row.rights);
	refusal = root_hand_over(server, connection, &row);
	if (refusal != 0)
		return refusal;
	connection->offer_state = OFFER_ESTABLISHED;
	/* Blocked or revoked meanwhile: whoever did that ended the sessions there were before. */
	refusal = admit(server, connection, &row);
	if (refusal != 0)
		return refusal;
	/* Changed meanwhile: who did that may not have found the session yet. */
	if (le64_get(row.version) != version)
		sessions_update_terminal(server->settings.sessions, connection->terminal_id,
		    le64_get(row.version), le32_get(row.rights), le32_get(row.rate_per_s),
		    le32_get(row.rate_burst));
	connection->rights = le32_get(row.rights);
	server->settings.wake(server->settings.context);
	connection->state = CONNECTION_WAIT;
	connection->wait_until_ns = now_ns + INTERNAL_INSTALL_WAIT_NS;
	return 0;
}

static uint32_t address_ipv4(const char *text)
{
	struct in_addr address;

	return inet_pton(AF_INET, text, &address) == 1 ? ntohl(address.s_addr) : 0;
}

static void established_put(struct key_server *server, struct connection *connection)
{
	const struct control_config *config = &server->config;
	struct keying_established answer = {
		.session_id = le32_make(connection->offer.session_id),
		.epoch = le16_make(connection->offer.epoch),
		.aead = le16_make(KEYING_AEAD_AES256GCM),
		.terminal_id = le64_make(connection->terminal_id),
		.boot_id = le64_make(server->settings.boot_id(server->settings.context)),
		.switch_time_ns = le64_make(database_now_ns()),
		.expires_ns = le64_make(connection->offer.expires_ns),
		.rights = le32_make(connection->rights),
		.address_ipv4 = le32_make(address_ipv4(config->keys.switch_address)),
		.udp_port = le16_make((uint16_t)config->keys.switch_udp_port),
		.udp_port_count = le16_make((uint16_t)config->keys.switch_udp_port_count),
	};

	if (authority_renewal_wanted(
	        server->settings.authority, SSL_get0_peer_certificate(connection->ssl)))
		answer.flags = le32_make(KEYING_FLAG_RENEW);
	if (keying_deployment_hash(
	        authority_deployment(server->settings.authority), answer.deployment_sha256) != 0) {
		serve_refuse(server, connection, KEYING_REFUSAL_BUSY);
		return;
	}
	answer_put(connection, KEYING_ESTABLISHED, &answer, sizeof(answer));
}

void serve_wait(struct key_server *server, struct connection *connection, uint64_t now_ns)
{
	struct record_control_terminal row;
	unsigned refusal;
	int error = sessions_wait(server->settings.sessions, connection->offer.session_id, 0);

	if (error == -ENOENT) {
		/* Ended already: by an operator, or by a newer one of the same terminal. */
		connection->offer_state = OFFER_NONE;
		refusal = admit(server, connection, &row);
		serve_refuse(server, connection, refusal != 0 ? refusal : KEYING_REFUSAL_BUSY);
		return;
	}
	/* Without a data plane too: the terminal then waits for it and not for control. */
	if (error == 0 || now_ns >= connection->wait_until_ns)
		established_put(server, connection);
}

static unsigned issue_refusal(int error)
{
	switch (error) {
	case -EBADMSG:
	case -EKEYREJECTED:
		return KEYING_REFUSAL_BAD_REQUEST;
	case -EINVAL:
		return KEYING_REFUSAL_REQUEST_MISMATCH;
	case -ENOKEY:
		return KEYING_REFUSAL_NO_AUTHORITY;
	default:
		return KEYING_REFUSAL_BUSY;
	}
}

static int renewed_put(struct key_server *server, struct connection *connection, const char *pem)
{
	char *trust = authority_trust(server->settings.authority);
	struct keying_renewed renewed;
	int error = -ENOMEM;

	if (trust == NULL)
		return -ENOMEM;
	renewed.certificate_length = le32_make((uint32_t)strlen(pem));
	renewed.authorities_length = le32_make((uint32_t)strlen(trust));
	answer_put(connection, KEYING_RENEWED, &renewed, sizeof(renewed));
	error = answer_append(connection, pem, strlen(pem));
	if (error == 0)
		error = answer_append(connection, trust, strlen(trust));
	free(trust);
	return error;
}

static unsigned renew(
    struct key_server *server, struct connection *connection, const struct request *request)
{
	struct authority_certificate issued = { .pem = NULL };
	struct terminal_certificate record = { .not_before_s = 0 };
	struct record_control_terminal row;
	char pem[KEYING_BODY_SIZE_MAX + 1], message[256] = "", user[40];
	struct audit_entry who = { .uid = AUDIT_UID_CONTROL,
		.user = user,
		.action = "terminal renew",
		.outcome = "done" };
	unsigned refusal = admit(server, connection, &row);
	int error;

	if (refusal != 0)
		return refusal;
	if (connection->renewed)
		return KEYING_REFUSAL_BAD_REQUEST;
	connection->renewed = 1;
	memcpy(pem, request->pem, request->pem_size);
	pem[request->pem_size] = '\0';
	error = authority_issue(server->settings.authority, pem, connection->terminal_id, &issued,
	    message, sizeof(message));
	if (error != 0)
		return issue_refusal(error);
	snprintf(user, sizeof(user), "terminal %" PRIu64, connection->terminal_id);
	memcpy(record.sha256, issued.sha256, sizeof(record.sha256));
	memcpy(record.serial, issued.serial, sizeof(record.serial));
	record.not_before_s = issued.not_before_s;
	record.not_after_s = issued.not_after_s;
	error = renewed_put(server, connection, issued.pem);
	if (error == 0)
		error = terminals_renew(server->settings.database, connection->terminal_id,
		    connection->certificate_sha256, &record, &who);
	free(issued.pem);
	if (error == -EPERM) {
		/* Enrolled again, blocked or revoked since it was admitted above. */
		refusal = admit(server, connection, &row);
		return refusal != 0 ? refusal : KEYING_REFUSAL_CERTIFICATE_REVOKED;
	}
	if (error != 0)
		return KEYING_REFUSAL_BUSY;
	INTERNAL_COUNT(server, renewed);
	log_event(LOG_INFO, "keys", "certificate_renewed",
	    &(struct log_ids){ .terminal = connection->terminal_id }, "certificate renewed");
	return 0;
}

void serve_request(struct key_server *server, struct connection *connection,
    const struct request *request, uint64_t now_ns)
{
	unsigned refusal = request->kind == KEYING_ESTABLISH ? establish(server, connection, now_ns)
	                                                     : renew(server, connection, request);

	if (refusal != 0)
		serve_refuse(server, connection, refusal);
}
