/* SPDX-License-Identifier: Apache-2.0 */
/* Both cipher back ends against published vectors, and against each other. */
#include "tests/test.h"

#include <errno.h>
#include <pthread.h>

#include "tests/wire/hex.h"
#include "wire/aead.h"

#define BYTES_MAX     1024
#define LINE_MAX_SIZE 8192

struct gcm_case {
	char name[64];
	uint8_t key[32], iv[12], aad[BYTES_MAX], text[BYTES_MAX], sealed[BYTES_MAX], tag[16];
	int aad_size, text_size, sealed_size;
	int valid;
};

static const enum aead_backend backends[] = { AEAD_IPSEC_MB, AEAD_OPENSSL };

/* Keys the back end, or returns 0 when this machine has none of the kind. */
static int key_made(
    struct aead_key *key, enum aead_backend backend, const uint8_t secret[32], const uint8_t iv[12])
{
	int error;

	memset(key, 0, sizeof(*key));
	error = aead_key_init(key, backend, secret, iv);
	if (error == -ENOTSUP) {
		assert_int_equal(backend, AEAD_IPSEC_MB);
		assert_int_equal(aead_backend_default(), AEAD_OPENSSL);
		return 0;
	}
	assert_int_equal(error, 0);
	return 1;
}

static int case_parse(char *line, struct gcm_case *out)
{
	char *fields[8], *save = NULL;
	int count = 0;

	for (char *field = strtok_r(line, " \n", &save); field != NULL;
	     field = strtok_r(NULL, " \n", &save)) {
		if (count == 8)
			return -1;
		fields[count++] = field;
	}
	if (count != 8)
		return -1;
	snprintf(out->name, sizeof(out->name), "%s", fields[0]);
	out->aad_size = hex_parse(fields[3], out->aad, sizeof(out->aad));
	out->text_size = hex_parse(fields[4], out->text, sizeof(out->text));
	out->sealed_size = hex_parse(fields[5], out->sealed, sizeof(out->sealed));
	out->valid = strcmp(fields[7], "valid") == 0;
	if (hex_parse(fields[1], out->key, 32) != 32 || hex_parse(fields[2], out->iv, 12) != 12 ||
	    hex_parse(fields[6], out->tag, 16) != 16 || out->aad_size < 0 || out->text_size < 0 ||
	    out->sealed_size < 0)
		return -1;
	return 0;
}

static void case_check(const struct gcm_case *test, enum aead_backend backend)
{
	static const uint8_t no_iv[12];
	uint8_t out[BYTES_MAX], tag[16];
	struct aead_key key;
	int result;

	if (!key_made(&key, backend, test->key, no_iv))
		return;
	result = aead_open_raw(&key, test->iv, test->aad, (size_t)test->aad_size, test->sealed,
	    (size_t)test->sealed_size, out, test->tag);
	if (result != (test->valid ? 0 : -EBADMSG))
		fail_msg("%s: open on %s gave %d", test->name, aead_backend_name(backend), result);
	if (test->valid) {
		assert_int_equal(test->text_size, test->sealed_size);
		if (memcmp(out, test->text, (size_t)test->text_size) != 0)
			fail_msg("%s: wrong text on %s", test->name, aead_backend_name(backend));
		aead_seal_raw(&key, test->iv, test->aad, (size_t)test->aad_size, test->text,
		    (size_t)test->text_size, out, tag);
		if (memcmp(out, test->sealed, (size_t)test->sealed_size) != 0 ||
		    memcmp(tag, test->tag, sizeof(tag)) != 0)
			fail_msg("%s: sealed wrong on %s", test->name, aead_backend_name(backend));
	}
	aead_key_wipe(&key);
}

TEST(published_vectors_pass_on_both_back_ends)
{
	FILE *file = fopen(SLUICE_TEST_DATA "/vectors/aes-256-gcm.txt", "r");
	int cases = 0, invalid = 0, line_number = 0;
	char line[LINE_MAX_SIZE];
	struct gcm_case test;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		line_number++;
		if (line[0] == '#')
			continue;
		if (case_parse(line, &test) != 0)
			fail_msg("line %d of the vector file is malformed", line_number);
		cases++;
		invalid += !test.valid;
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(backends); i++)
			case_check(&test, backends[i]);
	}
	fclose(file);
	/* A file cut short must not pass. */
	assert_int_equal(cases, 291);
	assert_int_equal(invalid, 101);
}

TEST(default_back_end_is_usable_and_named)
{
	static const uint8_t zeros[32];
	enum aead_backend backend = aead_backend_default();
	struct aead_key key = { .backend = 0 };

	assert_int_equal(aead_key_init(&key, backend, zeros, zeros), 0);
	assert_int_equal(key.backend, backend);
	aead_key_wipe(&key);
	assert_string_equal(aead_backend_name(AEAD_IPSEC_MB), "ipsec-mb");
	assert_string_equal(aead_backend_name(AEAD_OPENSSL), "openssl");
}

TEST(unknown_back_end_is_refused_and_key_untouched)
{
	static const uint8_t zeros[32];
	struct aead_key key, before;

	memset(&key, 0x5a, sizeof(key));
	before = key;
	assert_int_equal(aead_key_init(&key, (enum aead_backend)9, zeros, zeros), -ENOTSUP);
	assert_memory_equal(&key, &before, sizeof(key));
}

TEST(empty_key_opens_nothing_and_wipe_is_safe)
{
	uint8_t datagram[64] = { 0x11 };
	struct aead_key key;

	memset(&key, 0, sizeof(key));
	assert_int_equal(aead_open(&key, datagram, 32), -EBADMSG);
	aead_key_wipe(&key);
	aead_key_wipe(&key);
}

TEST(wipe_leaves_no_key_material)
{
	uint8_t secret[32];

	memset(secret, 0xa5, sizeof(secret));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(backends); i++) {
		struct aead_key key;

		if (!key_made(&key, backends[i], secret, secret))
			continue;
		aead_key_wipe(&key);
		assert_true(bytes_all_zero(&key, sizeof(key)));
	}
}

static void random_fill(uint64_t *random, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)test_random(random);
}

/* Every text size of the wire, in place, sealed by one back end and opened by the other. */
TEST(back_ends_agree_on_every_datagram_size)
{
	uint64_t random = test_seed();
	uint8_t secret[32], iv[12];
	struct aead_key keys[2];

	random_fill(&random, secret, sizeof(secret));
	random_fill(&random, iv, sizeof(iv));
	if (!key_made(&keys[0], AEAD_IPSEC_MB, secret, iv))
		skip();
	assert_true(key_made(&keys[1], AEAD_OPENSSL, secret, iv));
	for (size_t size = 0; size <= LIMIT_PAYLOAD_SIZE_MAX; size += 8) {
		uint8_t clear[LIMIT_DATAGRAM_SIZE_MAX], first[LIMIT_DATAGRAM_SIZE_MAX];
		uint8_t second[LIMIT_DATAGRAM_SIZE_MAX];

		random_fill(&random, clear, sizeof(clear));
		memcpy(first, clear, sizeof(first));
		memcpy(second, clear, sizeof(second));
		aead_seal(&keys[0], first, size);
		aead_seal(&keys[1], second, size);
		assert_memory_equal(first, second, sizeof(first));
		assert_memory_equal(
		    first + 32 + size, clear + 32 + size, sizeof(clear) - 32 - size);
		assert_int_equal(aead_open(&keys[1], first, size), 0);
		assert_int_equal(aead_open(&keys[0], second, size), 0);
		assert_memory_equal(first, clear, 16 + size);
		assert_memory_equal(second, clear, 16 + size);
	}
	aead_key_wipe(&keys[0]);
	aead_key_wipe(&keys[1]);
}

TEST(any_flipped_bit_fails)
{
	uint64_t random = test_seed();
	uint8_t secret[32], iv[12], good[16 + 24 + 16];

	random_fill(&random, secret, sizeof(secret));
	random_fill(&random, iv, sizeof(iv));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(backends); i++) {
		struct aead_key key;

		if (!key_made(&key, backends[i], secret, iv))
			continue;
		random_fill(&random, good, sizeof(good));
		aead_seal(&key, good, 24);
		for (size_t bit = 0; bit < 8 * sizeof(good); bit++) {
			uint8_t bad[sizeof(good)];

			memcpy(bad, good, sizeof(bad));
			bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_case_equal(bit, aead_open(&key, bad, 24), -EBADMSG);
		}
		assert_int_equal(aead_open(&key, good, 24), 0);
		aead_key_wipe(&key);
	}
}

/* The nonce by hand: iv XOR (0000 || LE64(packet number)). */
TEST(nonce_is_iv_xor_packet_number)
{
	static const uint8_t iv[12] = { 0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
	static const uint8_t nonce[12] = { 0xf0, 1, 2, 3, 4 ^ 0x88, 5 ^ 0x77, 6 ^ 0x66, 7 ^ 0x55,
		8 ^ 0x44, 9 ^ 0x33, 10 ^ 0x22, 11 ^ 0x11 };
	struct frame_header header = {
		.version_kind = 0x11,
		.packet_number = le64_make(0x1122334455667788ull),
	};
	uint8_t secret[32] = { 7 }, datagram[40] = { 0 }, text[8] = { 0 }, tag[16];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(backends); i++) {
		struct aead_key key;

		if (!key_made(&key, backends[i], secret, iv))
			continue;
		memset(datagram, 0, sizeof(datagram));
		memcpy(datagram, &header, sizeof(header));
		aead_seal(&key, datagram, 8);
		memset(text, 0, sizeof(text));
		aead_seal_raw(&key, nonce, datagram, 16, text, 8, text, tag);
		assert_memory_equal(datagram + 16, text, 8);
		assert_memory_equal(datagram + 24, tag, 16);
		aead_key_wipe(&key);
	}
}

/* The manager of ipsec-mb is shared by all threads: their work must not mix. */
static void *thread_seals(void *argument)
{
	uint64_t random = *(uint64_t *)argument;
	uint8_t secret[32], iv[12], clear[256], datagram[256];
	struct aead_key key;

	random_fill(&random, secret, sizeof(secret));
	random_fill(&random, iv, sizeof(iv));
	memset(&key, 0, sizeof(key));
	if (aead_key_init(&key, aead_backend_default(), secret, iv) != 0)
		return argument;
	for (int i = 0; i < 20000; i++) {
		random_fill(&random, clear, 32);
		memset(clear + 32, 0x33, sizeof(clear) - 32);
		memcpy(datagram, clear, sizeof(datagram));
		aead_seal(&key, datagram, sizeof(datagram) - 32);
		if (aead_open(&key, datagram, sizeof(datagram) - 32) != 0 ||
		    memcmp(datagram, clear, sizeof(datagram) - 16) != 0)
			return argument;
	}
	aead_key_wipe(&key);
	return NULL;
}

TEST(threads_share_the_back_end)
{
	uint64_t seeds[4] = { 1, 2, 3, 4 };
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread_seals, &seeds[i]), 0);
	for (int i = 0; i < 4; i++) {
		void *failed = NULL;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

TEST_MAIN()
