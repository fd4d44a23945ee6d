/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: name_make, name_similarity, name_index_* (names from lists and of customers), csv_next
 * (files of risk work), rules_file_apply.
 *
 * First byte: 0 two names, split at the first zero byte; 1 CSV; 2 a file of rules. A name is like
 * itself (if it has a letter) as much as can be, likeness is the same both ways, and the index says
 * the same. Fields end inside their buffer. Rules that were accepted are good ones, and written
 * they are read as the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/markets/markets_internal.h"
#include "control/subjects/subjects.h"
#include "control/watchlist/names.h"
#include "tests/fuzz/fuzz.h"

static void check_pair(const struct name *a, const struct name *b)
{
	struct name_index *index = name_index_create();
	struct name_hit hit = { 0 };
	unsigned like = name_similarity(a, b);

	SLUICE_REQUIRE(index != NULL && like <= 1000 && like == name_similarity(b, a));
	SLUICE_REQUIRE(name_similarity(a, a) == (a->forms[NAME_WHOLE].length > 0 ? 1000u : 0u));
	SLUICE_REQUIRE(name_index_add(index, b) == 0);
	SLUICE_REQUIRE(name_index_find(index, a, 700, &hit, 1) == (like >= 700));
	SLUICE_REQUIRE(like < 700 || hit.similarity == like);
	name_index_free(index);
}

static void names_read(const char *text, size_t size)
{
	const char *zero = memchr(text, 0, size);
	size_t first = zero != NULL ? (size_t)(zero - text) : size;
	static struct name a, b;

	SLUICE_REQUIRE(name_make(text, first, &a) == 0);
	SLUICE_REQUIRE(name_make(text + first, zero != NULL ? size - first - 1 : 0, &b) == 0);
	for (unsigned form = 0; form < NAME_FORMS; form++)
		SLUICE_REQUIRE(a.forms[form].length <= NAME_LENGTH_MAX);
	check_pair(&a, &b);
}

static void csv_read(const char *text, size_t size)
{
	static struct csv csv;
	unsigned before = 0;
	int more;

	csv_begin(&csv, text, size);
	while ((more = csv_next(&csv)) == 1) {
		SLUICE_REQUIRE(csv.count >= 1 && csv.count <= CSV_FIELDS_MAX && csv.line > before);
		before = csv.line;
		for (unsigned i = 0; i < csv.count; i++)
			SLUICE_REQUIRE(
			    csv.fields[i] >= csv.buffer && csv.fields[i] + strlen(csv.fields[i]) <
			                                       csv.buffer + sizeof(csv.buffer));
	}
	SLUICE_REQUIRE(more == 0 || more == -EINVAL);
}

static void rules_read(const char *text)
{
	struct rule_set rules, before, again;
	char message[256] = "", *written;
	const char *field;
	int error;

	rule_set_default(&rules);
	before = again = rules;
	error = rules_file_apply(text, &rules, message, sizeof(message));
	if (error != 0) {
		SLUICE_REQUIRE(error == -EINVAL && strncmp(message, "line ", 5) == 0);
		SLUICE_REQUIRE(memcmp(&rules, &before, sizeof(rules)) == 0);
		return;
	}
	/* Each alone was good; together they may not be, and are checked again when they are set.
	 */
	if (rule_set_check(&rules, &field) != 0)
		return;
	written = rules_file_text(&rules);
	SLUICE_REQUIRE(written != NULL);
	SLUICE_REQUIRE(rules_file_apply(written, &again, message, sizeof(message)) == 0);
	SLUICE_REQUIRE(memcmp(&rules, &again, sizeof(rules)) == 0);
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1 || size > 65536)
		return 0;
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	text = malloc(size);
	SLUICE_REQUIRE(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == 2) {
		rules_read(text);
	} else if (size > 1) {
		text = realloc(text, size - 1);
		SLUICE_REQUIRE(text != NULL);
		if (data[0] == 1)
			csv_read(text, size - 1);
		else
			names_read(text, size - 1);
	}
	free(text);
	return 0;
}
