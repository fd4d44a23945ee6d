/* SPDX-License-Identifier: Apache-2.0 */
/* Key schedule, sealed datagrams and RESET against the published vectors and against HMAC by hand.
 */
#include "tests/test.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/wire/hex.h"
#include "wire/keys.h"

#define FIELDS_MAX 16
#define VALUE_MAX  3000

/* One record of sluice-keys.txt. */
struct record {
	char kind[16];
	struct {
		char name[24];
		char value[VALUE_MAX];
	} fields[FIELDS_MAX];
	int count;
};

static const char *record_text(const struct record *record, const char *name)
{
	for (int i = 0; i < record->count; i++)
		if (strcmp(record->fields[i].name, name) == 0)
			return record->fields[i].value;
	fail_msg("[%s] has no field %s", record->kind, name);
	return "";
}

static uint64_t record_number(const struct record *record, const char *name)
{
	return strtoull(record_text(record, name), NULL, 10);
}

static size_t record_bytes(
    const struct record *record, const char *name, uint8_t *out, size_t room, int exact)
{
	int size = hex_parse(record_text(record, name), out, room);

	if (size < 0 || (exact && (size_t)size != room))
		fail_msg("[%s] %s has a wrong size", record->kind, name);
	return (size_t)size;
}

static void check_keys(const struct record *record)
{
	uint8_t root[KEYS_ROOT_SIZE], secret[32], iv[12], want[32];
	uint16_t epoch = (uint16_t)record_number(record, "epoch");
	uint64_t boot_id = record_number(record, "boot_id");

	record_bytes(record, "root", root, sizeof(root), 1);
	assert_int_equal(keys_derive(root, KEYS_TO_SWITCH, epoch, boot_id, secret, iv), 0);
	record_bytes(record, "to_switch_key", want, 32, 1);
	assert_memory_equal(secret, want, 32);
	record_bytes(record, "to_switch_iv", want, 12, 1);
	assert_memory_equal(iv, want, 12);
	assert_int_equal(keys_derive(root, KEYS_TO_TERMINAL, epoch, boot_id, secret, iv), 0);
	record_bytes(record, "to_terminal_key", want, 32, 1);
	assert_memory_equal(secret, want, 32);
	record_bytes(record, "to_terminal_iv", want, 12, 1);
	assert_memory_equal(iv, want, 12);
	assert_int_equal(keys_derive_reset(root, secret), 0);
	record_bytes(record, "reset_key", want, 32, 1);
	assert_memory_equal(secret, want, 32);
}

static void check_frame(const struct record *record)
{
	uint8_t root[KEYS_ROOT_SIZE], secret[32], iv[12];
	uint8_t text[LIMIT_PAYLOAD_SIZE_MAX], want[LIMIT_DATAGRAM_SIZE_MAX];
	uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX];
	uint64_t direction = record_number(record, "direction");
	size_t text_size = record_bytes(record, "plaintext", text, sizeof(text), 0);
	size_t size = record_bytes(record, "datagram", want, sizeof(want), 0);
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.flags = direction == 1 ? FRAME_FLAG_FROM_SWITCH : 0,
		.epoch = le16_make((uint16_t)record_number(record, "epoch")),
		.session_id = le32_make((uint32_t)record_number(record, "session_id")),
		.packet_number = le64_make(record_number(record, "packet_number")),
	};
	static const enum aead_backend backends[] = { AEAD_IPSEC_MB, AEAD_OPENSSL };

	record_bytes(record, "root", root, sizeof(root), 1);
	assert_int_equal(size, text_size + 32);
	assert_int_equal(keys_derive(root, direction == 1 ? KEYS_TO_TERMINAL : KEYS_TO_SWITCH,
	                     le16_get(header.epoch), record_number(record, "boot_id"), secret, iv),
	    0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(backends); i++) {
		struct aead_key key = { .backend = 0 };
		int error = aead_key_init(&key, backends[i], secret, iv);

		if (error == -ENOTSUP)
			continue;
		assert_int_equal(error, 0);
		memcpy(datagram, &header, sizeof(header));
		memcpy(datagram + 16, text, text_size);
		aead_seal(&key, datagram, text_size);
		assert_memory_equal(datagram, want, size);
		assert_int_equal(aead_open(&key, datagram, text_size), 0);
		assert_memory_equal(datagram + 16, text, text_size);
		aead_key_wipe(&key);
	}
}

static void check_reset(const struct record *record)
{
	uint8_t root[KEYS_ROOT_SIZE], reset_key[KEYS_RESET_SIZE];
	struct frame_reset reset = {
		.header = {
			.version_kind = WIRE_VERSION << 4 | FRAME_KIND_RESET,
			.flags = FRAME_FLAG_FROM_SWITCH,
			.epoch = le16_make((uint16_t)record_number(record, "epoch")),
			.session_id = le32_make((uint32_t)record_number(record, "session_id")),
			.packet_number = le64_make(record_number(record, "packet_number")),
		},
		.boot_id = le64_make(record_number(record, "boot_id")),
	};
	uint8_t want[sizeof(reset)];

	record_bytes(record, "root", root, sizeof(root), 1);
	record_bytes(record, "datagram", want, sizeof(want), 1);
	assert_int_equal(keys_derive_reset(root, reset_key), 0);
	assert_int_equal(keys_reset_sign(&reset, reset_key), 0);
	assert_memory_equal(&reset, want, sizeof(want));
	assert_int_equal(keys_reset_verify(&reset, reset_key), 0);
}

static void record_check(const struct record *record, int *seen)
{
	if (strcmp(record->kind, "keys") == 0) {
		check_keys(record);
		seen[0]++;
	} else if (strcmp(record->kind, "frame") == 0) {
		check_frame(record);
		seen[1]++;
	} else if (strcmp(record->kind, "reset") == 0) {
		check_reset(record);
		seen[2]++;
	} else if (record->count != 0) {
		fail_msg("unknown record [%s]", record->kind);
	}
}

TEST(published_vectors)
{
	FILE *file = fopen(SLUICE_TEST_DATA "/vectors/sluice-keys.txt", "r");
	static struct record record;
	static char line[VALUE_MAX];
	int seen[3] = { 0 };

	assert_non_null(file);
	memset(&record, 0, sizeof(record));
	while (fgets(line, sizeof(line), file) != NULL) {
		char *equals = strstr(line, " = ");

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '[') {
			record_check(&record, seen);
			record.count = 0;
			snprintf(record.kind, sizeof(record.kind), "%.*s",
			    (int)strcspn(line + 1, "]"), line + 1);
		} else if (line[0] != '#' && equals != NULL) {
			assert_true(record.count < FIELDS_MAX);
			snprintf(record.fields[record.count].name, 24, "%.*s", (int)(equals - line),
			    line);
			snprintf(record.fields[record.count++].value, VALUE_MAX, "%s", equals + 3);
		}
	}
	record_check(&record, seen);
	fclose(file);
	assert_int_equal(seen[0], 6);
	assert_int_equal(seen[1], 4);
	assert_int_equal(seen[2], 1);
}

/* RFC 5869 2.3: up to one hash of output, Expand is HMAC(PRK, info || 01) cut to length. */
TEST(expand_is_one_hmac_over_the_info)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 100; i++) {
		uint8_t root[KEYS_ROOT_SIZE], info[64] = "sluice v1 to terminal", want[64];
		uint8_t secret[32], iv[12];
		uint16_t epoch = (uint16_t)test_random(&random);
		uint64_t boot_id = test_random(&random);
		struct le16 epoch_field = le16_make(epoch);
		struct le64 boot_field = le64_make(boot_id);
		unsigned size = 0;

		for (size_t k = 0; k < sizeof(root); k++)
			root[k] = (uint8_t)test_random(&random);
		memcpy(info + 22, &epoch_field, 2);
		memcpy(info + 24, &boot_field, 8);
		info[32] = 1;
		assert_non_null(HMAC(EVP_sha384(), root, sizeof(root), info, 33, want, &size));
		assert_int_equal(size, 48);
		assert_int_equal(
		    keys_derive(root, KEYS_TO_TERMINAL, epoch, boot_id, secret, iv), 0);
		assert_memory_equal(secret, want, 32);
		assert_memory_equal(iv, want + 32, 12);
	}
}

/* Any change of direction, epoch or boot id gives other keys. */
TEST(every_input_matters)
{
	static const uint8_t root[KEYS_ROOT_SIZE] = { 1 };
	static const struct {
		enum keys_direction direction;
		uint16_t epoch;
		uint64_t boot_id;
	} rows[] = {
		{ KEYS_TO_SWITCH, 1, 1 },
		{ KEYS_TO_TERMINAL, 1, 1 },
		{ KEYS_TO_SWITCH, 2, 1 },
		{ KEYS_TO_SWITCH, 0x0100, 1 },
		{ KEYS_TO_SWITCH, 1, 2 },
		{ KEYS_TO_SWITCH, 1, 1ull << 63 },
	};
	uint8_t secrets[SLUICE_ARRAY_COUNT(rows)][32], ivs[SLUICE_ARRAY_COUNT(rows)][12];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		assert_int_equal(keys_derive(root, rows[i].direction, rows[i].epoch,
		                     rows[i].boot_id, secrets[i], ivs[i]),
		    0);
		for (size_t k = 0; k < i; k++) {
			assert_memory_not_equal(secrets[i], secrets[k], 32);
			assert_memory_not_equal(ivs[i], ivs[k], 12);
		}
	}
}

TEST(reset_with_any_flipped_bit_is_refused)
{
	static const uint8_t reset_key[KEYS_RESET_SIZE] = { 3 };
	struct frame_reset reset = { .boot_id = le64_make(77) };
	uint8_t bytes[sizeof(reset)];

	assert_int_equal(keys_reset_sign(&reset, reset_key), 0);
	for (size_t bit = 0; bit < 8 * sizeof(reset); bit++) {
		struct frame_reset bad;

		memcpy(bytes, &reset, sizeof(bytes));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memcpy(&bad, bytes, sizeof(bad));
		assert_case_equal(bit, keys_reset_verify(&bad, reset_key), -EBADMSG);
	}
	assert_int_equal(keys_reset_verify(&reset, reset_key), 0);
}

TEST_MAIN()
