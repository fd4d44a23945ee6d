/* SPDX-License-Identifier: Apache-2.0 */
/* The drop reasons, and the specification's copy of them. */
#include "tests/test.h"

#include "wire/assert.h"
#include "wire/drop.h"

static const char *const upper[] = {
#define DROP_UPPER(name, text) #name,
	DROP_REASONS(DROP_UPPER)
#undef DROP_UPPER
};

TEST(every_reason_has_a_metric_name_and_a_text)
{
	assert_int_equal(SLUICE_ARRAY_COUNT(upper), DROP_REASON_COUNT);
	for (int i = 0; i < DROP_REASON_COUNT; i++) {
		const char *name = drop_reason_name((enum drop_reason)i);

		assert_int_equal(strlen(name), strlen(upper[i]));
		assert_int_equal(strcasecmp(name, upper[i]), 0);
		assert_int_equal(
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
		assert_true(strlen(drop_reason_text((enum drop_reason)i)) > 3);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(name, drop_reason_name((enum drop_reason)k));
	}
}

TEST(out_of_range_has_none)
{
	assert_null(drop_reason_name(DROP_NONE));
	assert_null(drop_reason_text(DROP_NONE));
	assert_null(drop_reason_name(DROP_REASON_COUNT));
	assert_null(drop_reason_text(DROP_REASON_COUNT));
	assert_null(drop_reason_name((enum drop_reason)1000));
}

TEST(specification_names_every_reason)
{
	FILE *file = fopen(SLUICE_SOURCE_ROOT "/wire/README.md", "r");
	static char text[128 * 1024];
	const char *section;
	size_t size;

	assert_non_null(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	section = strstr(text, "## 9 Order of checks");
	assert_non_null(section);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(upper); i++)
		if (strstr(section, upper[i]) == NULL)
			fail_msg("%s is not in the specification", upper[i]);
}

TEST_MAIN()
