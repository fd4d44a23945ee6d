/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints a metrics file made of fake sources, for tests in other languages:
 * metrics-fake full|healthy|ill|down [DIRECTORY]; with DIRECTORY it is written there as control
 * does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/control/metrics/fake.h"

int main(int argc, char **argv)
{
	struct fake fake;
	struct timespec now;
	char *text;
	int error = 0;

	if (argc < 2) {
		fprintf(stderr, "Usage: metrics-fake full|healthy|ill|down [DIRECTORY]\n");
		return 2;
	}
	fake_make(&fake, 2);
	if (strcmp(argv[1], "healthy") == 0)
		fake_healthy(&fake);
	if (strcmp(argv[1], "ill") == 0)
		fake_ill(&fake);
	if (strcmp(argv[1], "down") == 0) {
		fake.link.state = LINK_DOWN;
		fake.sources.status = fake.sources.histograms = NULL;
		fake.sources.replication = NULL;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	fake.sources.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	text = metrics_render(&fake.sources);
	if (text != NULL && argc > 2)
		error = metrics_write(argv[2], text);
	else if (text != NULL)
		fputs(text, stdout);
	if (error != 0)
		fprintf(stderr, "metrics-fake: %s: %s\n", argv[2], strerror(-error));
	error = text == NULL || error != 0;
	free(text);
	fake_free(&fake);
	return error;
}
