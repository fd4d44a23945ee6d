/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/metrics/metrics_text.h"

#define FILE_NAME     "sluice.prom"
#define FILE_NAME_NEW "sluice.prom.new" /* the collector reads *.prom only */

/* An older status than this is no news: the figures are left out rather than drawn on. */
#define STATUS_AGE_MS_MAX 10000

static int dataplane_is_up(const struct metrics_sources *sources)
{
	const struct link_report *link = sources->link;

	return sources->status != NULL &&
	       (link == NULL ||
	           (link->state != LINK_DOWN && link->status_age_ms <= STATUS_AGE_MS_MAX));
}

char *metrics_render(const struct metrics_sources *sources)
{
	struct metrics_text text = { 0 };
	char *out = NULL;
	size_t size = 0;
	int up = dataplane_is_up(sources), failed;

	text.stream = open_memstream(&out, &size);
	if (text.stream == NULL)
		return NULL;
	metrics_add_control(&text, sources, up);
	if (up)
		metrics_add_status(&text, sources->status);
	if (up && sources->histograms != NULL)
		metrics_add_histograms(&text, sources->histograms);
	failed = ferror(text.stream);
	failed |= fclose(text.stream) != 0;
	if (failed) {
		free(out);
		return NULL;
	}
	return out;
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, text, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		text += written;
		size -= (size_t)written;
	}
	return 0;
}

/*
 * Written beside its place and renamed, so that the exporter never reads half a file. Not synced:
 * it is written again within seconds, and after a crash control writes a new one.
 */
int metrics_write(const char *directory, const char *text)
{
	int folder, file, error = 0;

	if (mkdir(directory, 0755) != 0 && errno != EEXIST)
		return -errno;
	folder = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	/* The exporter runs as another user. */
	file = openat(
	    folder, FILE_NAME_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0) {
		error = -errno;
		goto out;
	}
	if (fchmod(file, 0644) != 0)
		error = -errno;
	if (error == 0)
		error = write_all(file, text, strlen(text));
	if (close(file) != 0 && error == 0)
		error = -errno;
	if (error == 0 && renameat(folder, FILE_NAME_NEW, folder, FILE_NAME) != 0)
		error = -errno;
	if (error != 0)
		(void)unlinkat(folder, FILE_NAME_NEW, 0);
out:
	close(folder);
	return error;
}
