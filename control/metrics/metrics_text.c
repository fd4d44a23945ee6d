/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics/metrics_text.h"

#include <inttypes.h>
#include <string.h>

void metrics_family(struct metrics_text *text, const char *name, const char *type, const char *help)
{
	text->name = name;
	text->type = type;
	text->help = help;
}

static void sample_begin(struct metrics_text *text, const char *suffix, const char *labels)
{
	if (text->help != NULL) {
		fprintf(text->stream, "# HELP %s %s\n# TYPE %s %s\n", text->name, text->help,
		    text->name, text->type);
		text->help = NULL;
	}
	fprintf(text->stream, "%s%s", text->name, suffix);
	if (labels[0] != '\0')
		fprintf(text->stream, "{%s}", labels);
}

void metrics_sample(
    struct metrics_text *text, const char *suffix, const char *labels, uint64_t value)
{
	sample_begin(text, suffix, labels);
	fprintf(text->stream, " %" PRIu64 "\n", value);
}

void metrics_seconds(uint64_t value_ns, char *out, size_t size)
{
	int length = snprintf(
	    out, size, "%" PRIu64 ".%09" PRIu64, value_ns / 1000000000u, value_ns % 1000000000u);

	if (length <= 0 || (size_t)length >= size)
		return;
	while (out[length - 1] == '0')
		out[--length] = '\0';
	if (out[length - 1] == '.')
		out[length - 1] = '\0';
}

void metrics_sample_ns(
    struct metrics_text *text, const char *suffix, const char *labels, uint64_t value_ns)
{
	char seconds[40];

	metrics_seconds(value_ns, seconds, sizeof(seconds));
	sample_begin(text, suffix, labels);
	fprintf(text->stream, " %s\n", seconds);
}

void metrics_label(char labels[METRICS_LABELS_SIZE], const char *name, const char *value)
{
	char escaped[METRICS_LABELS_SIZE];
	size_t used = 0, length = strlen(labels);

	if (value == NULL)
		return;
	for (; *value != '\0'; value++) {
		if (used + 3 > sizeof(escaped))
			return;
		if (*value == '\\' || *value == '"' || *value == '\n')
			escaped[used++] = '\\';
		escaped[used++] = *value == '\n' ? 'n' : *value;
	}
	escaped[used] = '\0';
	if (length + strlen(name) + used + 5 > METRICS_LABELS_SIZE)
		return;
	snprintf(labels + length, METRICS_LABELS_SIZE - length, "%s%s=\"%s\"",
	    length > 0 ? "," : "", name, escaped);
}

void metrics_label_number(char labels[METRICS_LABELS_SIZE], const char *name, uint64_t value)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, value);
	metrics_label(labels, name, number);
}
