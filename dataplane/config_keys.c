/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/config_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/limits.h"
#include "wire/yaml/yaml_walk.h"

enum key_kind {
	KEY_MAPPING,
	KEY_LIST,
	KEY_NUMBER,
	KEY_TEXT, /* lowest..highest: its length */
	KEY_WORD, /* one of `words` */
};

/* "[]" stands for any index. */
static const struct key {
	const char *path;
	enum key_kind kind;
	int optional;
	uint32_t lowest, highest;
	const char *words; /* WORD: all of them; else the unit */
} keys[] = {
	{ "deployment", KEY_TEXT, 0, 1, 64, "" },
	{ "root", KEY_TEXT, 1, 1, 4000, "" },
	{ "shards", KEY_NUMBER, 0, 1, LIMIT_SHARDS, "" },
	{ "polling", KEY_WORD, 0, 0, 0, "busy, adaptive" },
	{ "worker_budget_percent", KEY_NUMBER, 1, 1, 100, "percent" },
	{ "lcores", KEY_MAPPING, 0, 0, 0, "" },
	{ "lcores.main", KEY_NUMBER, 0, 0, 1023, "" },
	{ "lcores.workers", KEY_LIST, 0, 1, LIMIT_SHARDS, "" },
	{ "lcores.workers[]", KEY_NUMBER, 1, 0, 1023, "" },
	{ "lcores.store", KEY_NUMBER, 0, 0, 1023, "" },
	{ "memory", KEY_MAPPING, 0, 0, 0, "" },
	{ "memory.hugepages", KEY_WORD, 0, 0, 0, "true, false" },
	{ "memory.megabytes", KEY_NUMBER, 0, 32, 1u << 20, "MiB" },
	{ "memory.populate", KEY_WORD, 1, 0, 0, "true, false" },
	{ "memory.file_prefix", KEY_TEXT, 0, 1, 64, "" },
	{ "ports", KEY_LIST, 0, 1, LIMIT_PORTS, "" },
	{ "ports[]", KEY_MAPPING, 1, 0, 0, "" },
	{ "ports[].type", KEY_WORD, 0, 0, 0, "pci, af_xdp, af_packet, memif, ring, null" },
	{ "ports[].interface", KEY_TEXT, 1, 1, 64, "" },
	{ "ports[].socket", KEY_TEXT, 1, 1, 107, "" },
	{ "ports[].address", KEY_TEXT, 0, 7, 15, "" },
	{ "ports[].udp_port", KEY_NUMBER, 0, 1, 65535, "" },
	{ "capacity", KEY_MAPPING, 0, 0, 0, "" },
	{ "capacity.accounts", KEY_NUMBER, 0, 16, 200000000, "" },
	{ "capacity.bets", KEY_NUMBER, 0, 16, 500000000, "" },
	{ "capacity.markets", KEY_NUMBER, 0, 1, 10000000, "" },
	{ "capacity.terminals", KEY_NUMBER, 0, 1, 1000000, "" },
	{ "capacity.sessions", KEY_NUMBER, 0, 1, LIMIT_SESSION_SLOTS, "" },
	{ "capacity.objects", KEY_NUMBER, 1, 16, 500000000, "" },
	{ "journal", KEY_MAPPING, 0, 0, 0, "" },
	{ "journal.segment_mib", KEY_NUMBER, 0, 1, 65536, "MiB" },
	{ "journal.depth", KEY_NUMBER, 0, 1, LIMIT_JOURNAL_DEPTH_MAX, "" },
	{ "journal.segments_ready", KEY_NUMBER, 0, 1, 64, "" },
	{ "journal.segments_max", KEY_NUMBER, 0, 3, 65536, "" },
	{ "journal.allow_volatile", KEY_WORD, 1, 0, 0, "true, false" },
	{ "store", KEY_MAPPING, 0, 0, 0, "" },
	{ "store.log_rotate_mib", KEY_NUMBER, 0, 1, 1u << 20, "MiB" },
	{ "store.log_keep_mib", KEY_NUMBER, 0, 0, 1u << 30, "MiB" },
	{ "store.checkpoint_interval_ms", KEY_NUMBER, 0, 0, 3600000, "ms" },
	{ "store.disk_quota_mib", KEY_NUMBER, 1, 0, 1u << 30, "MiB" },
	{ "store.disk_free_mib", KEY_NUMBER, 1, 1, 1u << 30, "MiB" },
	{ "archive", KEY_MAPPING, 1, 0, 0, "" },
	{ "archive.directory", KEY_TEXT, 1, 1, 4000, "" },
	{ "archive.keep_days", KEY_NUMBER, 1, 1, 36500, "days" },
	{ "archive.keep_mib", KEY_NUMBER, 1, 0, 1u << 30, "MiB" },
};
#define KEYS SLUICE_ARRAY_COUNT(keys)

struct check {
	const char *name;
	char *message;
	size_t message_size;
	unsigned lines[KEYS]; /* where a key was given, 0 not; of a list member: in this member */
	unsigned port_line;   /* of the open member of ports, 0 none */
	unsigned port_index;
};

__attribute__((format(printf, 4, 5))) static int wrong(
    struct check *check, unsigned line, const char *path, const char *format, ...)
{
	char place[16] = "", text[320];
	va_list arguments;

	if (line > 0)
		snprintf(place, sizeof(place), ":%u", line);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	snprintf(check->message, check->message_size, "%s%s: key \"%s\": %s", check->name, place,
	    path, text);
	return -EINVAL;
}

/* "ports[12].type" becomes "ports[].type". */
static void pattern_of(const char *path, char out[YAML_WALK_PATH_SIZE])
{
	size_t used = 0;

	for (; *path != '\0' && used + 1 < YAML_WALK_PATH_SIZE; path++) {
		out[used++] = *path;
		if (*path == '[')
			path += strspn(path + 1, "0123456789");
	}
	out[used] = '\0';
}

static int is_of_port(const struct key *key)
{
	return strncmp(key->path, "ports[].", 8) == 0;
}

static int unknown(struct check *check, const struct yaml_walk_entry *entry, const char *pattern)
{
	const char *best = NULL;
	unsigned least = 4;

	for (size_t i = 0; i < KEYS; i++) {
		unsigned distance = yaml_walk_distance(pattern, keys[i].path);

		if (distance < least && distance < strlen(pattern)) {
			least = distance;
			best = keys[i].path;
		}
	}
	if (best != NULL)
		return wrong(check, entry->line, entry->path,
		    "there is no such key; did you mean \"%s\"?", best);
	return wrong(check, entry->line, entry->path,
	    "there is no such key; dataplane/README.md lists them all");
}

static int check_scalar(
    struct check *check, const struct key *key, const struct yaml_walk_entry *entry)
{
	const char *found_word;
	uint64_t value;
	char found[64];

	yaml_walk_quote(entry->value, entry->size, found, sizeof(found));
	if (key->kind == KEY_NUMBER) {
		if (yaml_walk_number(entry->value, entry->size, &value) && value >= key->lowest &&
		    value <= key->highest)
			return 0;
		return wrong(check, entry->line, entry->path,
		    "expected a whole number from %" PRIu32 " to %" PRIu32 "%s%s%s, found \"%s\"",
		    key->lowest, key->highest, key->words[0] != '\0' ? " (" : "", key->words,
		    key->words[0] != '\0' ? ")" : "", found);
	}
	if (key->kind == KEY_TEXT) {
		if (entry->size >= key->lowest && entry->size <= key->highest &&
		    strlen(entry->value) == entry->size)
			return 0;
		return wrong(check, entry->line, entry->path,
		    "expected text of %" PRIu32 " to %" PRIu32 " bytes, found \"%s\"", key->lowest,
		    key->highest, found);
	}
	/* One of the words, as a whole. */
	for (found_word = key->words; found_word != NULL;
	     found_word = strchr(found_word, ' '), found_word += found_word != NULL) {
		size_t length = strcspn(found_word, ",");

		if (length == entry->size && memcmp(found_word, entry->value, length) == 0)
			return 0;
	}
	return wrong(
	    check, entry->line, entry->path, "expected one of %s, found \"%s\"", key->words, found);
}

/* Nothing is missing in what ends here: a member of ports, or the file. */
static int check_missing(struct check *check, int of_port)
{
	char path[64];

	for (size_t i = 0; i < KEYS; i++) {
		const struct key *key = &keys[i];

		if (is_of_port(key) != of_port || key->optional || check->lines[i] != 0)
			continue;
		snprintf(path, sizeof(path), "%s", key->path);
		if (of_port)
			snprintf(path, sizeof(path), "ports[%u].%s", check->port_index,
			    key->path + strlen("ports[]."));
		return wrong(check, of_port ? check->port_line : 0, path,
		    "missing; add it as in dataplane/README.md");
	}
	return 0;
}

static int port_next(struct check *check, const struct yaml_walk_entry *entry)
{
	int error = check->port_line > 0 ? check_missing(check, 1) : 0;

	check->port_index += check->port_line > 0;
	check->port_line = entry->line;
	for (size_t i = 0; i < KEYS; i++)
		if (is_of_port(&keys[i]))
			check->lines[i] = 0;
	return error;
}

static int visit(void *context, const struct yaml_walk_entry *entry)
{
	static const char *const kinds[] = {
		[YAML_WALK_TEXT] = "a value",
		[YAML_WALK_MAPPING] = "a mapping",
		[YAML_WALK_SEQUENCE] = "a list",
	};
	char pattern[YAML_WALK_PATH_SIZE];
	struct check *check = context;
	enum yaml_walk_kind expected;
	size_t i = 0;

	pattern_of(entry->path, pattern);
	while (i < KEYS && strcmp(keys[i].path, pattern) != 0)
		i++;
	if (i == KEYS)
		return unknown(check, entry, pattern);
	expected = keys[i].kind == KEY_MAPPING ? YAML_WALK_MAPPING
	           : keys[i].kind == KEY_LIST  ? YAML_WALK_SEQUENCE
	                                       : YAML_WALK_TEXT;
	if (entry->kind != expected)
		return wrong(check, entry->line, entry->path, "expected %s, found %s",
		    kinds[expected],
		    entry->size == 0 && entry->kind == YAML_WALK_TEXT ? "nothing"
		                                                      : kinds[entry->kind]);
	if (strcmp(pattern, "ports[]") == 0)
		return port_next(check, entry);
	/* A member of a list may come again. */
	if (check->lines[i] != 0 && pattern[strlen(pattern) - 1] != ']')
		return wrong(check, entry->line, entry->path,
		    "given twice, first in line %u; remove one", check->lines[i]);
	check->lines[i] = entry->line;
	return expected == YAML_WALK_TEXT ? check_scalar(check, &keys[i], entry) : 0;
}

int config_keys_check(
    const uint8_t *text, size_t size, const char *name, char *message, size_t message_size)
{
	struct check check = { .name = name, .message = message, .message_size = message_size };
	struct yaml_walk_problem problem = { 0 };
	int error;

	message[0] = '\0';
	error = yaml_walk(text, size, visit, &check, &problem);
	if (error == 0 && check.port_line > 0)
		error = check_missing(&check, 1);
	if (error == 0)
		error = check_missing(&check, 0);
	if (error == 0 || message[0] != '\0')
		return error;
	if (problem.line > 0)
		snprintf(message, message_size, "%s:%u:%u: %s", name, problem.line, problem.column,
		    problem.text);
	else
		snprintf(message, message_size, "%s: %s", name, problem.text);
	return error;
}
