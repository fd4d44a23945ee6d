/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: metrics_render with the data plane's answers to `status` and `histograms` as they come:
 * two JSON texts, a zero byte between them. Whatever they hold, the file is one a node exporter
 * reads: lines of a name and a number.
 */
#include <stdlib.h>
#include <string.h>

#include "control/metrics/metrics.h"
#include "tests/fuzz/fuzz.h"

/* "name{label="text"} 12" or a comment. Cuts the number off. */
static void line_check(char *line)
{
	char *end, *value = strrchr(line, ' ');

	SLUICE_REQUIRE(strncmp(line, "sluice_", 7) == 0 && value != NULL && value[1] != '\0');
	(void)strtod(value + 1, &end);
	SLUICE_REQUIRE(*end == '\0');
	*value = '\0';
	for (const char *at = line; *at != '\0' && *at != '{'; at++)
		SLUICE_REQUIRE(
		    (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_');
}

static void file_check(char *text)
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		if (line[0] != '#')
			line_check(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	size_t first = zero != NULL ? (size_t)(zero - data) : size;
	struct link_report link = { .state = LINK_UP };
	json_t *status, *histograms = NULL;
	struct metrics_sources sources = { .link = &link, .time_ns = 1795262400000000000 };
	char *text;

	if (size > 65536)
		return 0;
	status = json_loadb((const char *)data, first, 0, NULL);
	if (zero != NULL)
		histograms = json_loadb((const char *)zero + 1, size - first - 1, 0, NULL);
	/* As the link hands them on: objects or nothing. */
	sources.status = json_is_object(status) ? status : NULL;
	sources.histograms = json_is_object(histograms) ? histograms : NULL;
	text = metrics_render(&sources);
	SLUICE_REQUIRE(text != NULL);
	file_check(text);
	free(text);
	json_decref(status);
	json_decref(histograms);
	return 0;
}
