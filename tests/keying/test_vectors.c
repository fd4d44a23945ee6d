/* SPDX-License-Identifier: Apache-2.0 */
/* The published vectors of key establishment: contexts, messages, a root through to datagrams. */
#include "tests/test.h"

#include "tests/wire/hex.h"
#include "wire/aead.h"
#include "wire/keying/keying.h"

#define FIELDS_MAX 16
#define LINE_SIZE  4000

struct record {
	char kind[16];
	int count;
	char lines[FIELDS_MAX][LINE_SIZE]; /* "name = value" */
};

static const char *text_of(const struct record *record, const char *name)
{
	size_t size = strlen(name);

	for (int i = 0; i < record->count; i++)
		if (strncmp(record->lines[i], name, size) == 0 &&
		    strncmp(record->lines[i] + size, " = ", 3) == 0)
			return record->lines[i] + size + 3;
	fail_msg("[%s] has no field %s", record->kind, name);
	return "";
}

static uint64_t number_of(const struct record *record, const char *name)
{
	return strtoull(text_of(record, name), NULL, 10);
}

static size_t bytes_of(const struct record *record, const char *name, uint8_t *out, size_t room)
{
	int size = hex_parse(text_of(record, name), out, room);

	if (size < 0)
		fail_msg("[%s] %s is not hexadecimal or too long", record->kind, name);
	return (size_t)size;
}

static void context_check(const struct record *record)
{
	struct keying_context context;
	uint8_t want[sizeof(context)];

	memset(&context, 0, sizeof(context));
	context.version = le16_make((uint16_t)number_of(record, "version"));
	context.aead = le16_make((uint16_t)number_of(record, "aead"));
	context.session_id = le32_make((uint32_t)number_of(record, "session_id"));
	context.terminal_id = le64_make(number_of(record, "terminal_id"));
	assert_int_equal(
	    keying_deployment_hash(text_of(record, "deployment"), context.deployment_sha256), 0);
	assert_int_equal(
	    bytes_of(record, "server_certificate_sha256", context.server_certificate_sha256, 32),
	    32);
	assert_int_equal(
	    bytes_of(record, "client_certificate_sha256", context.client_certificate_sha256, 32),
	    32);
	assert_int_equal(bytes_of(record, "context", want, sizeof(want)), sizeof(want));
	assert_memory_equal(&context, want, sizeof(want));
	assert_string_equal(text_of(record, "label"), KEYING_EXPORTER_LABEL);
	assert_int_equal(number_of(record, "length"), KEYS_ROOT_SIZE);
}

static void established_check(const uint8_t *body)
{
	struct keying_established answer;
	uint8_t hash[32];

	memcpy(&answer, body, sizeof(answer));
	assert_int_equal(le32_get(answer.session_id), 7 << 20 | 5);
	assert_int_equal(le16_get(answer.epoch), 3);
	assert_int_equal(le16_get(answer.aead), KEYING_AEAD_AES256GCM);
	assert_int_equal(le64_get(answer.terminal_id), 42);
	assert_int_equal(le64_get(answer.boot_id), 0x100c0ffee);
	assert_int_equal(le64_get(answer.switch_time_ns), 1700000000000000000);
	assert_int_equal(le64_get(answer.expires_ns), 1700086400000000000);
	assert_int_equal(le32_get(answer.rights), 15);
	assert_int_equal(le32_get(answer.address_ipv4), 0xc6120001);
	assert_int_equal(le16_get(answer.udp_port), 7400);
	assert_int_equal(le16_get(answer.udp_port_count), 2);
	assert_int_equal(le32_get(answer.flags), KEYING_FLAG_RENEW);
	assert_int_equal(keying_deployment_hash("sluice", hash), 0);
	assert_memory_equal(answer.deployment_sha256, hash, 32);
}

static void message_check(const struct record *record)
{
	uint8_t bytes[1000];
	size_t size = bytes_of(record, "bytes", bytes, sizeof(bytes));
	struct keying_establish establish;
	struct keying_refused refused;
	const uint8_t *body = bytes + sizeof(struct keying_header);
	enum keying_kind kind;
	uint32_t length;

	assert_int_equal(keying_header_read(bytes, size, &kind, &length), 0);
	assert_int_equal(kind, number_of(record, "kind"));
	assert_int_equal(length, number_of(record, "length"));
	assert_int_equal(size, sizeof(struct keying_header) + length);
	if (kind == KEYING_ESTABLISH) {
		assert_int_equal(length, sizeof(establish));
		memcpy(&establish, body, sizeof(establish));
		assert_int_equal(le16_get(establish.aead), KEYING_AEAD_AES256GCM);
		assert_int_equal(le64_get(establish.local_time_ns), 1700000000000000000);
	} else if (kind == KEYING_ESTABLISHED) {
		assert_int_equal(length, sizeof(struct keying_established));
		established_check(body);
	} else {
		assert_int_equal(kind, KEYING_REFUSED);
		memcpy(&refused, body, sizeof(refused));
		assert_int_equal(
		    strlen(keying_refusal_text(le16_get(refused.code))), length - sizeof(refused));
		assert_memory_equal(keying_refusal_text(le16_get(refused.code)),
		    body + sizeof(refused), length - sizeof(refused));
	}
}

static void frame_check(const struct record *record)
{
	uint8_t root[KEYS_ROOT_SIZE], secret[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];
	uint8_t want[LIMIT_DATAGRAM_SIZE_MAX], text[LIMIT_PAYLOAD_SIZE_MAX];
	uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX];
	size_t text_size = bytes_of(record, "plaintext", text, sizeof(text));
	uint64_t direction = number_of(record, "direction");
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.flags = direction == 1 ? FRAME_FLAG_FROM_SWITCH : 0,
		.epoch = le16_make((uint16_t)number_of(record, "epoch")),
		.session_id = le32_make((uint32_t)number_of(record, "session_id")),
		.packet_number = le64_make(number_of(record, "packet_number")),
	};
	struct aead_key key = { .backend = 0 };

	assert_int_equal(bytes_of(record, "root", root, sizeof(root)), sizeof(root));
	assert_int_equal(keys_derive(root, direction == 1 ? KEYS_TO_TERMINAL : KEYS_TO_SWITCH,
	                     le16_get(header.epoch), number_of(record, "boot_id"), secret, iv),
	    0);
	assert_int_equal(bytes_of(record, "key", want, sizeof(want)), sizeof(secret));
	assert_memory_equal(secret, want, sizeof(secret));
	assert_int_equal(bytes_of(record, "iv", want, sizeof(want)), sizeof(iv));
	assert_memory_equal(iv, want, sizeof(iv));
	assert_int_equal(bytes_of(record, "datagram", want, sizeof(want)), text_size + 32);
	assert_int_equal(aead_key_init(&key, AEAD_OPENSSL, secret, iv), 0);
	memcpy(datagram, &header, sizeof(header));
	memcpy(datagram + sizeof(header), text, text_size);
	aead_seal(&key, datagram, text_size);
	assert_memory_equal(datagram, want, text_size + 32);
	aead_key_wipe(&key);
}

static void record_check(const struct record *record, unsigned seen[3])
{
	if (strcmp(record->kind, "context") == 0) {
		context_check(record);
		seen[0]++;
	} else if (strcmp(record->kind, "message") == 0) {
		message_check(record);
		seen[1]++;
	} else if (strcmp(record->kind, "frame") == 0) {
		frame_check(record);
		seen[2]++;
	} else if (record->count != 0) {
		fail_msg("unknown record [%s]", record->kind);
	}
}

TEST(published_vectors)
{
	FILE *file = fopen(SLUICE_TEST_DATA "/vectors/sluice-keying.txt", "r");
	static struct record record;
	static char line[LINE_SIZE];
	unsigned seen[3] = { 0 };

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '[') {
			record_check(&record, seen);
			record.count = 0;
			snprintf(record.kind, sizeof(record.kind), "%.*s",
			    (int)strcspn(line + 1, "]"), line + 1);
		} else if (line[0] != '#' && strstr(line, " = ") != NULL) {
			assert_true(record.count < FIELDS_MAX);
			memcpy(record.lines[record.count++], line, sizeof(line));
		}
	}
	record_check(&record, seen);
	fclose(file);
	assert_int_equal(seen[0], 3);
	assert_int_equal(seen[1], 4);
	assert_int_equal(seen[2], 2);
}

TEST_MAIN()
