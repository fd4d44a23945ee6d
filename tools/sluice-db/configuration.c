/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ROOT/etc/sluice of a root that is made of a backup, or of another root. Built beside as
 * ROOT/etc/sluice.restoring, synced, and renamed in one step: after a crash at any moment it is
 * there whole or not at all. What is there already is never changed.
 */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/sluice-db/backup.h"

static int line_put(FILE *out, const char *line, const char *root, uint32_t shards)
{
	if (strncmp(line, "root:", 5) == 0)
		return fprintf(out, "root: \"%s\"\n", root) < 0;
	if (shards != 0 && strncmp(line, "shards:", 7) == 0)
		return fprintf(out, "shards: %u\n", shards) < 0;
	return fputs(line, out) == EOF;
}

/* dataplane.yaml names its root and its shards (0: as they are): it must not lead back to the old
 * data. No file is none to change. */
static int configuration_rewrite(const char *path, const char *root, uint32_t shards)
{
	char line[4096], fresh[2 * PATH_MAX + 8], absolute[PATH_MAX];
	FILE *in = fopen(path, "re"), *out;
	struct stat status;
	int failed = 0, error;

	if (in == NULL)
		return errno == ENOENT ? 0 : -errno;
	snprintf(fresh, sizeof(fresh), "%.8191s.new", path);
	out = fopen(fresh, "wxe");
	if (out == NULL || realpath(root, absolute) == NULL || fstat(fileno(in), &status) != 0) {
		error = -errno;
		fclose(in);
		if (out != NULL)
			fclose(out);
		return error;
	}
	errno = EIO;
	while (fgets(line, sizeof(line), in) != NULL)
		failed |= line_put(out, line, absolute, shards);
	failed = failed || ferror(in) || fflush(out) != 0 ||
	         fchmod(fileno(out), status.st_mode) != 0 || fsync(fileno(out)) != 0;
	error = failed ? -errno : 0;
	fclose(in);
	if (fclose(out) != 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(fresh, path) != 0)
		error = -errno;
	return error;
}

/* ---- Is it the same? ---- */

/* nftw gives no context. */
static struct {
	const char *top, *other; /* other: NULL, files are counted only */
	unsigned files;
} comparing;

static int entry_compare(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	char other[2 * PATH_MAX], hash[2][SHA256_TEXT];
	uint64_t size;

	(void)status;
	(void)place;
	if (kind == FTW_D)
		return 0;
	comparing.files++;
	if (comparing.other == NULL)
		return 0;
	snprintf(other, sizeof(other), "%s%s", comparing.other, path + strlen(comparing.top));
	return file_sha256(path, hash[0], &size) != 0 || file_sha256(other, hash[1], &size) != 0 ||
	       strcmp(hash[0], hash[1]) != 0;
}

/* Each file of one is in the other, and no more: so it looks after a run that was cut short behind
 * the rename. What cannot be read is not the same. */
static int trees_are_equal(const char *a, const char *b)
{
	unsigned files;

	comparing.top = a;
	comparing.other = b;
	comparing.files = 0;
	if (nftw(a, entry_compare, 16, FTW_PHYS) != 0)
		return 0;
	files = comparing.files;
	comparing.other = NULL;
	comparing.files = 0;
	return nftw(b, entry_compare, 16, FTW_PHYS) == 0 && comparing.files == files;
}

/* ---- All of it ---- */

static int fresh_make(
    const struct restore *restore, const char *from, const char *fresh, uint32_t shards)
{
	char path[2 * PATH_MAX];
	int error = tree_remove(fresh); /* of a run that was cut short */

	if (error == 0)
		error = tree_copy(from, fresh, NULL);
	snprintf(path, sizeof(path), "%s/dataplane.yaml", fresh);
	if (error == 0)
		error = configuration_rewrite(path, restore->root, shards);
	return error == 0 ? path_sync(fresh) : error;
}

int configuration_place(
    struct restore *restore, const char *from, const char *named, uint32_t shards)
{
	char parent[PATH_MAX], fresh[PATH_MAX + 32], to[PATH_MAX + 32];
	int error;

	restore->configuration = "none";
	snprintf(restore->configuration_in, sizeof(restore->configuration_in), "%s", named);
	if (access(from, F_OK) != 0)
		return 0;
	snprintf(parent, sizeof(parent), "%.4000s/etc", restore->root);
	snprintf(fresh, sizeof(fresh), "%s/sluice.restoring", parent);
	snprintf(to, sizeof(to), "%s/sluice", parent);
	error = directories_make(parent);
	if (error == 0)
		error = fresh_make(restore, from, fresh, shards);
	if (error == 0 && directory_is_filled(to)) {
		restore->configuration = trees_are_equal(fresh, to) ? "restored" : "kept";
		error = tree_remove(fresh);
	} else if (error == 0) {
		restore->configuration = "restored";
		if (rename(fresh, to) != 0)
			error = -errno;
		else
			error = path_sync(parent);
	}
	if (error == 0)
		return 0;
	(void)tree_remove(fresh);
	return restore_fail(restore, EXIT_MISSING,
	    "%.300s cannot be made: %s; nothing of it is "
	    "left, begin again when that is mended",
	    to, strerror(-error));
}

void configuration_report(const struct restore *restore, json_t *report)
{
	const char *state = restore->configuration;

	if (state == NULL)
		return;
	if (report != NULL) {
		json_object_set_new(report, "configuration", json_string(state));
		if (strcmp(state, "kept") == 0)
			json_object_set_new(
			    report, "configuration_in", json_string(restore->configuration_in));
		return;
	}
	if (strcmp(state, "kept") == 0)
		printf("configuration NOT restored: %s/etc/sluice holds other files already and "
		       "stays as it is; what was to go there is in %s\n",
		    restore->root, restore->configuration_in);
	else if (strcmp(state, "none") == 0)
		printf("configuration NOT restored: there is no %s\n", restore->configuration_in);
}
