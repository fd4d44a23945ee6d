/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml/yaml_walk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* One open mapping or sequence. */
struct level {
	int is_sequence;
	int key_seen;         /* mapping: the next event is the value */
	unsigned index;       /* sequence: of the next member */
	size_t prefix_length; /* of its own path */
};

struct walk {
	yaml_walk_visit *visit;
	void *context;
	struct yaml_walk_problem *problem;
	struct level levels[YAML_WALK_DEPTH_MAX];
	unsigned depth;     /* levels in use */
	unsigned documents; /* begun */
	unsigned line, column;
	char path[YAML_WALK_PATH_SIZE];
};

__attribute__((format(printf, 4, 5))) static int problem_at(
    struct yaml_walk_problem *problem, unsigned line, unsigned column, const char *format, ...)
{
	va_list arguments;

	problem->line = line;
	problem->column = column;
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int problem_event(struct walk *walk, const yaml_event_t *event, const char *text)
{
	return problem_at(walk->problem, (unsigned)event->start_mark.line + 1,
	    (unsigned)event->start_mark.column + 1, "%s", text);
}

int yaml_walk_number(const char *value, size_t size, uint64_t *number)
{
	uint64_t sum = 0;

	if (size == 0 || size > 10 || (value[0] == '0' && size > 1))
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (value[i] < '0' || value[i] > '9')
			return 0;
		sum = 10 * sum + (uint64_t)(value[i] - '0');
	}
	*number = sum;
	return 1;
}

void yaml_walk_quote(const char *value, size_t size, char *out, size_t out_size)
{
	size_t room = out_size - 4, used = 0;

	for (size_t i = 0; i < size && used < room; i++) {
		unsigned char byte = (unsigned char)value[i];

		out[used++] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
	}
	if (used < size) {
		/* No half character at the cut. */
		while (used > 0 && ((unsigned char)out[used - 1] & 0xc0) == 0x80)
			used--;
		if (used > 0 && (unsigned char)out[used - 1] >= 0xc0)
			used--;
		memcpy(out + used, "...", 3);
		used += 3;
	}
	out[used] = '\0';
}

unsigned yaml_walk_distance(const char *one, const char *other)
{
	unsigned row[64];
	size_t width = strnlen(other, 63), height = strnlen(one, 63);

	for (size_t x = 0; x <= width; x++)
		row[x] = (unsigned)x;
	for (size_t y = 1; y <= height; y++) {
		unsigned corner = row[0];

		row[0] = (unsigned)y;
		for (size_t x = 1; x <= width; x++) {
			unsigned best = corner + (one[y - 1] != other[x - 1]);

			if (row[x] + 1 < best)
				best = row[x] + 1;
			if (row[x - 1] + 1 < best)
				best = row[x - 1] + 1;
			corner = row[x];
			row[x] = best;
		}
	}
	return row[width];
}

/* Puts a key or an index behind the path of the open level. */
static int path_set(struct walk *walk, const yaml_event_t *event, const char *key)
{
	const struct level *level = &walk->levels[walk->depth - 1];
	size_t room = sizeof(walk->path) - level->prefix_length;
	char *at = walk->path + level->prefix_length;
	int written;

	if (level->is_sequence)
		written = snprintf(at, room, "[%u]", level->index);
	else
		written = snprintf(at, room, "%s%s", level->prefix_length > 0 ? "." : "", key);
	if (written < 0 || (size_t)written >= room)
		return problem_event(walk, event, "a key is too long; is it the right file?");
	walk->line = (unsigned)event->start_mark.line + 1;
	walk->column = (unsigned)event->start_mark.column + 1;
	return 0;
}

static int visit_value(struct walk *walk, const yaml_event_t *event, enum yaml_walk_kind kind)
{
	struct yaml_walk_entry entry = { walk->path, walk->line, walk->column, kind, "", 0, 0 };

	if (kind == YAML_WALK_TEXT) {
		entry.value = (const char *)event->data.scalar.value;
		entry.size = event->data.scalar.length;
		entry.plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	}
	return walk->visit(walk->context, &entry);
}

/* A value begins: its level goes on to the next key or member. */
static int value_begin(struct walk *walk, const yaml_event_t *event)
{
	struct level *level = &walk->levels[walk->depth - 1];
	int error;

	if (!level->is_sequence) {
		level->key_seen = 0;
		return 0;
	}
	error = path_set(walk, event, "");
	level->index++;
	return error;
}

static int on_text(struct walk *walk, const yaml_event_t *event)
{
	struct level *level;
	char key[96];
	int error;

	if (walk->depth == 0)
		return problem_event(walk, event, "expected keys as in \"deployment: demo\"");
	level = &walk->levels[walk->depth - 1];
	if (!level->is_sequence && !level->key_seen) {
		level->key_seen = 1;
		yaml_walk_quote((const char *)event->data.scalar.value, event->data.scalar.length,
		    key, sizeof(key));
		return path_set(walk, event, key);
	}
	error = value_begin(walk, event);
	return error != 0 ? error : visit_value(walk, event, YAML_WALK_TEXT);
}

static int on_open(struct walk *walk, const yaml_event_t *event, int is_sequence)
{
	struct level *level;
	int error = 0;

	if (walk->depth == 0 && is_sequence)
		return problem_event(
		    walk, event, "expected keys as in \"deployment: demo\", found a list");
	if (walk->depth > 0) {
		level = &walk->levels[walk->depth - 1];
		if (!level->is_sequence && !level->key_seen)
			return problem_event(walk, event, "a key must be a plain word");
		if (walk->depth == YAML_WALK_DEPTH_MAX)
			return problem_event(walk, event, "nested too deep; is it the right file?");
		error = value_begin(walk, event);
		if (error == 0)
			error = visit_value(
			    walk, event, is_sequence ? YAML_WALK_SEQUENCE : YAML_WALK_MAPPING);
	}
	if (error != 0)
		return error;
	level = &walk->levels[walk->depth++];
	*level = (struct level){ .is_sequence = is_sequence,
		.prefix_length = walk->depth == 1 ? 0 : strlen(walk->path) };
	return 0;
}

static int on_event(struct walk *walk, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (walk->documents++ > 0)
			return problem_event(
			    walk, event, "a second document begins; write one, without \"---\"");
		return 0;
	case YAML_ALIAS_EVENT:
		return problem_event(
		    walk, event, "aliases (*name) are not taken; write the value out");
	case YAML_SCALAR_EVENT:
		return on_text(walk, event);
	case YAML_MAPPING_START_EVENT:
		return on_open(walk, event, 0);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(walk, event, 1);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		walk->depth--;
		if (walk->depth > 0)
			walk->path[walk->levels[walk->depth].prefix_length] = '\0';
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

/* 1 when the line is indented with a tab, which YAML does not take and editors do not show. */
static int line_has_tab(const uint8_t *text, size_t size, size_t line)
{
	size_t at = 0;

	for (; line > 0 && at < size; at++)
		line -= text[at] == '\n';
	for (; at < size && (text[at] == ' ' || text[at] == '\t'); at++)
		if (text[at] == '\t')
			return 1;
	return 0;
}

/* libyaml gives an offset for bytes it cannot read, a mark for text it does not understand. */
static int parser_problem(const yaml_parser_t *parser, const uint8_t *text, size_t size,
    struct yaml_walk_problem *problem)
{
	const char *what = parser->problem != NULL ? parser->problem : "not understood";
	unsigned line = 1, column = 1;

	if (parser->error == YAML_MEMORY_ERROR) {
		(void)problem_at(problem, 0, 0, "out of memory");
		return -ENOMEM;
	}
	if (parser->error != YAML_READER_ERROR &&
	    line_has_tab(text, size, parser->problem_mark.line))
		return problem_at(problem, (unsigned)parser->problem_mark.line + 1,
		    (unsigned)parser->problem_mark.column + 1,
		    "not YAML: a tab; indent with spaces");
	if (parser->error != YAML_READER_ERROR)
		return problem_at(problem, (unsigned)parser->problem_mark.line + 1,
		    (unsigned)parser->problem_mark.column + 1,
		    "not YAML: %s; look at indentation, quotes and colons there", what);
	for (size_t i = 0; i < size && i < parser->problem_offset; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	if (strstr(what, "control character") != NULL)
		return problem_at(problem, line, column,
		    "control character 0x%02x; is it the right file?",
		    (unsigned)parser->problem_value);
	return problem_at(
	    problem, line, column, "not UTF-8 (%s); save the file as UTF-8 text", what);
}

int yaml_walk(const uint8_t *text, size_t size, yaml_walk_visit *visit, void *context,
    struct yaml_walk_problem *problem)
{
	struct walk walk = { .visit = visit, .context = context, .problem = problem };
	yaml_parser_t parser;
	yaml_event_t event;
	int error = 0, ended = 0;

	if (!yaml_parser_initialize(&parser)) {
		(void)problem_at(problem, 0, 0, "out of memory");
		return -ENOMEM;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, text, size);
	while (error == 0 && !ended) {
		if (!yaml_parser_parse(&parser, &event)) {
			error = parser_problem(&parser, text, size, problem);
			break;
		}
		ended = event.type == YAML_STREAM_END_EVENT;
		error = on_event(&walk, &event);
		yaml_event_delete(&event);
	}
	if (error == 0 && walk.documents == 0)
		error = problem_at(problem, 0, 0, "empty; write at least \"deployment: NAME\"");
	yaml_parser_delete(&parser);
	return error;
}
