/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client/keying_answer.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "wire/client/identity_files.h"

static int answer_wrong(struct keying_wire *wire, const char *what)
{
	identity_say(wire->message, wire->message_size,
	    "the key server at %s sent a malformed answer: %s", wire->config->address, what);
	return -EPROTO;
}

int keying_answer_established(struct keying_wire *wire, const struct client_identity *identity,
    const uint8_t *body, size_t size, struct client_keying_result *result)
{
	struct keying_established answer;
	struct keying_context context = { 0 };
	int rc;

	if (size < sizeof(answer))
		return answer_wrong(wire, "ESTABLISHED is too short");
	memcpy(&answer, body, sizeof(answer));
	context.version = le16_make(WIRE_VERSION);
	context.aead = answer.aead;
	context.session_id = answer.session_id;
	context.terminal_id = answer.terminal_id;
	if (keying_deployment_hash(wire->config->deployment, context.deployment_sha256) < 0)
		return -EIO;
	if (le16_get(answer.aead) != KEYING_AEAD_AES256GCM)
		return answer_wrong(wire, "another cipher");
	if (le32_get(answer.session_id) == 0 || le16_get(answer.epoch) == 0)
		return answer_wrong(wire, "no session or epoch");
	if (le64_get(answer.terminal_id) != identity->terminal_id)
		return answer_wrong(wire, "the session is of another terminal");
	if (memcmp(answer.deployment_sha256, context.deployment_sha256,
	        sizeof(answer.deployment_sha256)) != 0)
		return answer_wrong(wire, "the session is of another deployment");
	if (le64_get(answer.expires_ns) <= le64_get(answer.switch_time_ns))
		return answer_wrong(wire, "the session has expired");
	rc = keying_root_export(wire->ssl, 0, &context, result->root);
	if (rc < 0) {
		identity_say(wire->message, wire->message_size, "the connection gives no root");
		return rc;
	}
	result->session_id = le32_get(answer.session_id);
	result->rights = le32_get(answer.rights);
	result->epoch = le16_get(answer.epoch);
	result->terminal_id = identity->terminal_id;
	result->boot_id = le64_get(answer.boot_id);
	result->switch_time_ns = le64_get(answer.switch_time_ns);
	result->expires_ns = le64_get(answer.expires_ns);
	result->address_ipv4 = le32_get(answer.address_ipv4);
	result->udp_port = le16_get(answer.udp_port);
	result->udp_port_count = le16_get(answer.udp_port_count);
	result->certificate_due = client_identity_due(identity, (int64_t)time(NULL)) ||
	                          (le32_get(answer.flags) & KEYING_FLAG_RENEW) != 0;
	return 0;
}

int keying_answer_renewed(struct keying_wire *wire, uint64_t terminal_id, struct evp_pkey_st *key,
    const uint8_t *body, size_t size)
{
	const struct client_keying_config *config = wire->config;
	struct keying_renewed lengths;
	const char *texts;
	size_t certificate, authorities;

	if (size < sizeof(lengths))
		return answer_wrong(wire, "RENEWED is too short");
	memcpy(&lengths, body, sizeof(lengths));
	certificate = le32_get(lengths.certificate_length);
	authorities = le32_get(lengths.authorities_length);
	if (certificate > size - sizeof(lengths) ||
	    authorities > size - sizeof(lengths) - certificate)
		return answer_wrong(wire, "RENEWED is too short");
	texts = (const char *)body + sizeof(lengths);
	return client_identity_replace(config->directory, config->deployment, terminal_id, key,
	    texts, certificate, texts + certificate, authorities, wire->message,
	    wire->message_size);
}
