/* SPDX-License-Identifier: Apache-2.0 */
/* Every command with every option: one that it does not take is wrong usage, and never ignored. */
#include "tests/sluice-db/say.h"
#include "wire/assert.h"

static const struct {
	const char *words, *takes; /* "" : nothing */
} commands[] = {
	{ "stat", "root shard json" },
	{ "dump", "root shard json from to terminal account" },
	{ "verify", "root shard json archive transit-max" },
	{ "shadow", "root shard json from-time to-time rules base examples model" },
	{ "restore", "root json from-postgres passfile cut" },
	{ "backup create none/a none/b", "label json" },
	{ "backup verify none/a", "json" },
	{ "backup list none/a", "json" },
	{ "backup restore none/a none/b", "to-time to-lsn archive cut json" },
	{ "reshard none/a none/b", "shards json" },
	{ "migrate none/a", "dry-run" },
	{ "journal status", "root shard json" },
	{ "journal verify", "root shard json archive" },
	{ "archive list", "root shard json archive" },
	{ "archive verify", "root shard json archive" },
	{ "archive extract none/a none/b", "" },
	{ "repair", "root shard json cut-damaged-tail yes-lose-acknowledged rebuild-rows "
	            "rebuild-index" },
};

static const struct {
	const char *name, *value; /* "": it has none */
} options[] = {
	{ "root", "none" },
	{ "shard", "0" },
	{ "from", "1" },
	{ "to", "1" },
	{ "terminal", "1" },
	{ "account", "1" },
	{ "json", "" },
	{ "transit-max", "1" },
	{ "from-postgres", "host=/none" },
	{ "passfile", "none" },
	{ "cut", "" },
	{ "label", "text" },
	{ "to-time", "latest" },
	{ "to-lsn", "0:1" },
	{ "archive", "none" },
	{ "shards", "2" },
	{ "dry-run", "" },
	{ "cut-damaged-tail", "" },
	{ "rebuild-index", "" },
	{ "rebuild-rows", "" },
	{ "yes-lose-acknowledged", "" },
	{ "from-time", "1" },
	{ "rules", "none" },
	{ "base", "none" },
	{ "examples", "1" },
	{ "model", "1" },
};

static int takes(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return 1;
	return 0;
}

TEST(an_option_that_a_command_does_not_take_is_refused_by_name)
{
	assert_int_equal(setenv("SLUICE_ROOT", "none", 1), 0);
	for (unsigned c = 0; c < SLUICE_ARRAY_COUNT(commands); c++)
		for (unsigned o = 0; o < SLUICE_ARRAY_COUNT(options); o++) {
			char said[1024], wanted[64];
			int status = say_run(said, "%s --%s %s", commands[c].words, options[o].name,
			    options[o].value);

			snprintf(wanted, sizeof(wanted), "does not take --%s; it takes ",
			    options[o].name);
			if (takes(commands[c].takes, options[o].name)
			        ? strstr(said, "does not take") != NULL
			        : status != 2 || strstr(said, wanted) == NULL)
				fail_msg("%s --%s: %d, %s", commands[c].words, options[o].name,
				    status, said);
		}
}

TEST(the_whole_list_is_said)
{
	char said[1024];

	assert_int_equal(say_run(said, "backup restore a b --dry-run --shard 1"), 2);
	assert_string_equal(said,
	    "sluice-db: backup restore does not take --shard, --dry-run; it takes --json, --cut, "
	    "--to-time, --to-lsn, --archive; see sluice-db --help\n");
	assert_int_equal(say_run(said, "archive extract a b --json"), 2);
	assert_non_null(strstr(said, "does not take --json; it takes no option"));
}

TEST(a_value_is_refused_with_its_option)
{
	static const struct {
		const char *arguments, *said;
	} wrongs[] = {
		{ "backup create a b --label $(printf '\\377')", "--label: at most 64 bytes" },
		{ "backup create a b --label $(printf '%065d' 0)", "--label: at most 64 bytes" },
		{ "stat --shard x", "--shard: not a number in range: x" },
		{ "stat --shard -1", "--shard: not a number in range: -1" },
	};
	char said[1024];

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(wrongs); i++)
		if (say_run(said, "%s", wrongs[i].arguments) != 2 ||
		    strstr(said, wrongs[i].said) == NULL)
			fail_msg("%s: %s", wrongs[i].arguments, said);
}

TEST(a_file_that_is_not_there_is_named_with_its_place)
{
	char said[1024];

	assert_int_equal(say_run(said, "archive extract /none.seg.zst none.out"), 3);
	assert_non_null(strstr(said, "sluice-db: /: none.seg.zst: "));
	assert_int_equal(say_run(said, "archive extract /none/a.seg.zst none.out"), 3);
	assert_non_null(strstr(said, "sluice-db: /none: a.seg.zst: "));
}

TEST_MAIN()
