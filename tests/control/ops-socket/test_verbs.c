/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself: what parser, help, completion and server take for granted. */
#include "control/ops-socket/verbs.h"

#include "tests/test.h"

TEST(names_are_unique_and_no_verb_begins_another)
{
	for (size_t i = 0; i < verb_count(); i++) {
		size_t length = strlen(verb_at(i)->name);

		assert_ptr_equal(verb_find(verb_at(i)->name), verb_at(i));
		assert_int_equal(verb_index(verb_at(i)), i);
		for (size_t j = 0; j < verb_count(); j++) {
			const char *other = verb_at(j)->name;

			/* Words are taken until they name a verb. */
			if (i != j && strncmp(other, verb_at(i)->name, length) == 0)
				assert_false(other[length] == '\0' || other[length] == ' ');
		}
	}
	assert_null(verb_find(""));
	assert_null(verb_find("market"));
	assert_null(verb_at(verb_count()));
}

TEST(roles_flags_and_help_are_given)
{
	for (size_t i = 0; i < verb_count(); i++) {
		const struct verb *verb = verb_at(i);
		size_t length = strlen(verb->help);

		assert_non_null(verb_role_name(verb->role));
		assert_true(length > 0 && verb->help[length - 1] == '.');
		assert_true(verb->argument_count <= VERB_ARGUMENTS_MAX);
		/* What cannot be undone changes something, and a viewer changes nothing. */
		assert_true(!(verb->flags & VERB_IRREVERSIBLE) || verb->flags & VERB_CHANGES);
		assert_true(!(verb->flags & VERB_CHANGES) || verb->role != VERB_ROLE_VIEWER);
		assert_int_equal(verb->rows == NULL, verb->columns == NULL);
	}
}

static void check_argument(const struct verb *verb, size_t at, int *optional_seen)
{
	/* sluicectl's own options. */
	static const char *const taken[] = { "root", "socket", "json", "timeout", "yes", "dry_run",
		"help", "version", "watch", "schema" };
	const struct verb_argument *argument = &verb->arguments[at];

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		assert_string_not_equal(argument->name, taken[i]);
	for (size_t i = 0; i < at; i++)
		assert_string_not_equal(argument->name, verb->arguments[i].name);
	assert_true(argument->lowest <= argument->highest);
	if (argument->type == VERB_CHOICE || argument->type == VERB_OUT)
		assert_non_null(argument->choices);
	if (argument->type == VERB_TEXT || argument->type == VERB_NUMBER)
		assert_true(argument->highest > 0);
	assert_true(!argument->repeats || argument->positional);
	if (!argument->positional)
		return;
	/* A required one behind an optional one could not be told from it. */
	assert_false(*optional_seen && argument->required);
	*optional_seen |= !argument->required || argument->repeats;
}

TEST(arguments_can_be_told_apart)
{
	for (size_t i = 0; i < verb_count(); i++) {
		int optional_seen = 0;

		for (size_t j = 0; j < verb_at(i)->argument_count; j++)
			check_argument(verb_at(i), j, &optional_seen);
	}
}

TEST(admin_may_all_and_operator_and_risk_what_is_theirs)
{
	static const struct {
		enum verb_role has, needs;
		int may;
	} cases[] = {
		{ VERB_ROLE_VIEWER, VERB_ROLE_VIEWER, 1 },
		{ VERB_ROLE_VIEWER, VERB_ROLE_OPERATOR, 0 },
		{ VERB_ROLE_OPERATOR, VERB_ROLE_VIEWER, 1 },
		{ VERB_ROLE_OPERATOR, VERB_ROLE_RISK, 0 },
		{ VERB_ROLE_RISK, VERB_ROLE_OPERATOR, 0 },
		{ VERB_ROLE_RISK, VERB_ROLE_RISK, 1 },
		{ VERB_ROLE_RISK, VERB_ROLE_ADMIN, 0 },
		{ VERB_ROLE_ADMIN, VERB_ROLE_RISK, 1 },
		{ VERB_ROLE_ADMIN, VERB_ROLE_OPERATOR, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_case_equal(i, verb_role_may(cases[i].has, cases[i].needs), cases[i].may);
}

TEST(schemas_and_choices)
{
	char schema[VERB_NAME_SIZE_MAX];

	verb_schema(verb_find("market suspend"), schema);
	assert_string_equal(schema, "market-suspend/1");
	verb_schema(verb_find("ca server-renew"), schema);
	assert_string_equal(schema, "ca-server-renew/1");
	assert_true(verb_choice_has("open|closed", "open"));
	assert_true(verb_choice_has("open|closed", "closed"));
	assert_false(verb_choice_has("open|closed", "close"));
	assert_false(verb_choice_has("open|closed", "pen"));
	assert_false(verb_choice_has("open|closed", "open|closed"));
	assert_false(verb_choice_has("open|closed", ""));
}

TEST_MAIN()
