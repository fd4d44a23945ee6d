/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of messages, names of refusals, URIs and roles. */
#include "tests/test.h"

#include <errno.h>

#include "tests/keying/pki.h"
#include "wire/keying/keying.h"

TEST(every_refusal_has_a_name_and_a_sentence)
{
	for (unsigned code = 1; code <= KEYING_REFUSAL_NO_AUTHORITY; code++) {
		assert_non_null(keying_refusal_name(code));
		assert_true(strlen(keying_refusal_text(code)) > 10);
	}
	assert_string_equal(keying_refusal_name(4), "TERMINAL_BLOCKED");
	assert_null(keying_refusal_name(0));
	assert_null(keying_refusal_text(0));
	assert_null(keying_refusal_name(10));
	assert_null(keying_refusal_text(UINT32_MAX));
}

TEST(headers)
{
	static const struct {
		uint8_t bytes[8];
		size_t size;
		int result;
		uint32_t kind, length;
	} rows[] = {
		{ { 1, 0, 1, 0, 16, 0, 0, 0 }, 8, 0, 1, 16 },
		{ { 1, 0, 3, 0, 0, 0x40, 0, 0 }, 8, 0, 3, 16384 },
		{ { 1, 0, 0xff, 0xff, 0, 0, 0, 0 }, 8, 0, 0xffff, 0 },
		{ { 1, 0, 1, 0, 16, 0, 0, 0 }, 7, -EAGAIN, 77, 77 },
		{ { 0 }, 0, -EAGAIN, 77, 77 },
		{ { 0, 0, 1, 0, 16, 0, 0, 0 }, 8, -EPROTO, 77, 77 },
		{ { 2, 0, 1, 0, 16, 0, 0, 0 }, 8, -EPROTO, 77, 77 },
		{ { 1, 1, 1, 0, 16, 0, 0, 0 }, 8, -EPROTO, 77, 77 },
		{ { 1, 0, 1, 0, 1, 0x40, 0, 0 }, 8, -EMSGSIZE, 77, 77 },
		{ { 1, 0, 1, 0, 16, 0, 0, 0x80 }, 8, -EMSGSIZE, 77, 77 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		enum keying_kind kind = (enum keying_kind)77;
		uint32_t length = 77;

		assert_case_equal(i,
		    keying_header_read(rows[i].bytes, rows[i].size, &kind, &length),
		    rows[i].result);
		assert_case_equal(i, (unsigned)kind, rows[i].kind);
		assert_case_equal(i, length, rows[i].length);
	}
}

TEST(uris_take_only_names_that_cannot_be_mistaken)
{
	char uri[KEYING_URI_SIZE_MAX], longest[66];

	assert_int_equal(keying_uri_write("seoul-1", 0, uri), 0);
	assert_string_equal(uri, "urn:sluice:seoul-1:control");
	assert_int_equal(keying_uri_write("seoul-1", 4294967295u, uri), 0);
	assert_string_equal(uri, "urn:sluice:seoul-1:terminal:4294967295");
	memset(longest, 'x', sizeof(longest));
	longest[64] = '\0';
	assert_int_equal(keying_uri_write(longest, 4294967295u, uri), 0);
	assert_true(strlen(uri) < sizeof(uri) - 1);
	longest[64] = 'x';
	longest[65] = '\0';
	assert_int_equal(keying_uri_write(longest, 1, uri), -EINVAL);
	assert_int_equal(keying_uri_write("", 1, uri), -EINVAL);
	assert_int_equal(keying_uri_write("a:control", 1, uri), -EINVAL);
	assert_int_equal(keying_uri_write("a b", 1, uri), -EINVAL);
	assert_int_equal(keying_uri_write("a,URI:b", 1, uri), -EINVAL);
}

TEST(roles)
{
	static const struct {
		const char *uri, *uri2;
		int result;
		uint64_t id;
	} rows[] = {
		{ "urn:sluice:test:terminal:42", NULL, 0, 42 },
		{ "urn:sluice:test:terminal:4294967295", NULL, 0, 4294967295u },
		{ "urn:sluice:test:control", NULL, 0, 0 },
		{ "urn:sluice:test:terminal:42", "https://example.org", 0, 42 },
		{ "https://example.org", "urn:sluice:test:control", 0, 0 },
		{ NULL, NULL, -ENOENT, 99 },
		{ "https://example.org", NULL, -ENOENT, 99 },
		{ "urn:sluice:other:terminal:42", NULL, -ENOENT, 99 },
		{ "urn:sluice:tes:terminal:42", NULL, -ENOENT, 99 },
		{ "urn:sluice:testing:terminal:42", NULL, -ENOENT, 99 },
		{ "urn:sluice:test:controls", NULL, -ENOENT, 99 },
		{ "urn:sluice:test", NULL, -ENOENT, 99 },
		{ "urn:sluice:", NULL, -ENOENT, 99 },
		{ "urn:sluice:test:terminal:", NULL, -EPROTO, 99 },
		{ "urn:sluice:test:terminal:0", NULL, -EPROTO, 99 },
		{ "urn:sluice:test:terminal:042", NULL, -EPROTO, 99 },
		{ "urn:sluice:test:terminal:4294967296", NULL, -EPROTO, 99 },
		{ "urn:sluice:test:terminal:99999999999999999999", NULL, -EPROTO, 99 },
		{ "urn:sluice:test:terminal:42x", NULL, -EPROTO, 99 },
		{ "urn:sluice:test:terminal:-1", NULL, -EPROTO, 99 },
		{ "urn:sluice:test:terminal:42", "urn:sluice:test:terminal:43", -EPROTO, 99 },
		{ "urn:sluice:test:terminal:42", "urn:sluice:test:control", -EPROTO, 99 },
		{ "urn:sluice:other:control", "urn:sluice:test:control", -EPROTO, 99 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		struct pki pki =
		    pki_make(&(struct pki_wish){ .uri = rows[i].uri, .uri2 = rows[i].uri2 }, NULL);
		uint64_t id = 99;

		assert_case_equal(
		    i, keying_role_read(pki.certificate, "test", &id), rows[i].result);
		assert_case_equal(i, id, rows[i].id);
		pki_free(&pki);
	}
}

TEST_MAIN()
