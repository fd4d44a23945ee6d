/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: names as the process sees them, as a power cut leaves them, and the changes between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"

struct sim_inode *sim_top;

static uint64_t inode_numbers;

struct sim_inode *sim_inode_make(int is_directory)
{
	struct sim_inode *inode = calloc(1, sizeof(*inode));

	SLUICE_REQUIRE(inode != NULL);
	inode->refs = 1;
	inode->is_directory = is_directory;
	inode->number = ++inode_numbers;
	inode->writes_end = &inode->writes;
	return inode;
}

void sim_inode_hold(struct sim_inode *inode)
{
	inode->refs++;
}

/* Directories hold what is in them; as deep as the tree the test has made. */
void sim_inode_release(struct sim_inode *inode)
{
	if (inode == NULL || --inode->refs > 0)
		return;
	sim_file_free(inode);
	sim_names_free(&inode->names);
	sim_names_free(&inode->durable_names);
	for (uint32_t i = 0; i < inode->change_count; i++)
		sim_inode_release(inode->changes[i].inode);
	free(inode->changes);
	free(inode);
}

static struct sim_entry *entry_find(const struct sim_names *names, const char *name)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (strcmp(names->entries[i].name, name) == 0)
			return &names->entries[i];
	return NULL;
}

struct sim_inode *sim_names_find(const struct sim_names *names, const char *name)
{
	struct sim_entry *entry = entry_find(names, name);

	return entry == NULL ? NULL : entry->inode;
}

void sim_names_remove(struct sim_names *names, const char *name)
{
	struct sim_entry *entry = entry_find(names, name);
	struct sim_inode *inode;

	if (entry == NULL)
		return;
	inode = entry->inode;
	names->count--;
	memmove(entry, entry + 1, (size_t)(names->entries + names->count - entry) * sizeof(*entry));
	sim_inode_release(inode);
}

void sim_names_set(struct sim_names *names, const char *name, struct sim_inode *inode)
{
	sim_inode_hold(inode);
	sim_names_remove(names, name);
	if (names->count == names->room) {
		names->room = 2 * names->room + 8;
		names->entries = realloc(names->entries, names->room * sizeof(*names->entries));
		SLUICE_REQUIRE(names->entries != NULL);
	}
	names->entries[names->count].inode = inode;
	snprintf(names->entries[names->count++].name, SIM_NAME_SIZE, "%s", name);
}

void sim_names_free(struct sim_names *names)
{
	while (names->count > 0)
		sim_inode_release(names->entries[--names->count].inode);
	free(names->entries);
	*names = (struct sim_names){ 0 };
}

static void change_apply(struct sim_names *names, const struct sim_name_change *change)
{
	struct sim_inode *inode = change->inode;

	if (change->from[0] != '\0')
		sim_names_remove(names, change->from);
	if (change->to[0] != '\0')
		sim_names_set(names, change->to, inode);
}

void sim_directory_change(
    struct sim_inode *directory, const char *from, const char *to, struct sim_inode *inode)
{
	struct sim_name_change *change;

	if (directory->change_count == directory->change_room) {
		directory->change_room = 2 * directory->change_room + 8;
		directory->changes =
		    realloc(directory->changes, directory->change_room * sizeof(*change));
		SLUICE_REQUIRE(directory->changes != NULL);
	}
	change = &directory->changes[directory->change_count++];
	*change = (struct sim_name_change){ .inode = inode };
	snprintf(change->from, SIM_NAME_SIZE, "%s", from);
	snprintf(change->to, SIM_NAME_SIZE, "%s", to);
	if (inode != NULL)
		sim_inode_hold(inode);
	change_apply(&directory->names, change);
}

/* The first `count` changes have reached the device, the others are void. */
static void changes_keep(struct sim_inode *directory, uint32_t count)
{
	for (uint32_t i = 0; i < directory->change_count; i++) {
		if (i < count)
			change_apply(&directory->durable_names, &directory->changes[i]);
		sim_inode_release(directory->changes[i].inode);
	}
	directory->change_count = 0;
}

void sim_directory_sync(struct sim_inode *directory)
{
	changes_keep(directory, directory->change_count);
}

int sim_directory_changes(const struct sim_inode *directory, const struct sim_inode *file)
{
	for (uint32_t i = 0; i < directory->change_count; i++)
		if (directory->changes[i].inode == file)
			return 1;
	for (uint32_t i = 0; i < directory->names.count; i++) {
		const struct sim_inode *inode = directory->names.entries[i].inode;

		if (inode->is_directory && sim_directory_changes(inode, file))
			return 1;
	}
	return 0;
}

void sim_directory_crash(struct sim_inode *directory)
{
	struct sim_names *durable = &directory->durable_names;

	if (directory->change_count == 0)
		return;
	changes_keep(directory, (uint32_t)sim_below(directory->change_count + 1));
	sim_names_free(&directory->names);
	for (uint32_t i = 0; i < durable->count; i++)
		sim_names_set(
		    &directory->names, durable->entries[i].name, durable->entries[i].inode);
}

int sim_path_is(int directory_fd, const char *path)
{
	size_t length = strlen(SIM_ROOT);

	if (path[0] != '/')
		return sim_fd_is(directory_fd);
	return path[1] == '\0' || (strncmp(path, SIM_ROOT, length) == 0 &&
	                              (path[length] == '\0' || path[length] == '/'));
}

/* The next part of a path: its length, 0 at the end. *path stands behind it afterwards. */
static size_t part_next(const char **path, char name[SIM_NAME_SIZE])
{
	size_t length;

	for (;;) {
		*path += strspn(*path, "/");
		length = strcspn(*path, "/");
		SLUICE_REQUIRE(length < SIM_NAME_SIZE);
		memcpy(name, *path, length);
		name[length] = '\0';
		*path += length;
		if (strcmp(name, ".") != 0)
			return length;
	}
}

static struct sim_inode *start(int directory_fd, const char *path)
{
	struct sim_fd *fd;

	if (path[0] == '/')
		return sim_top;
	fd = sim_fd(directory_fd);
	return fd == NULL ? NULL : fd->inode;
}

static struct sim_inode *step(const struct sim_inode *directory, const char *name)
{
	struct sim_inode *inode;

	errno = ENOTDIR;
	if (!directory->is_directory)
		return NULL;
	inode = sim_names_find(&directory->names, name);
	errno = ENOENT;
	return inode;
}

struct sim_inode *sim_path_find(int directory_fd, const char *path)
{
	struct sim_inode *inode = start(directory_fd, path);
	char name[SIM_NAME_SIZE];

	while (inode != NULL && part_next(&path, name) > 0)
		inode = step(inode, name);
	return inode;
}

struct sim_inode *sim_path_parent(int directory_fd, const char *path, char name[SIM_NAME_SIZE])
{
	struct sim_inode *inode = start(directory_fd, path);
	char next[SIM_NAME_SIZE];

	if (inode != NULL && part_next(&path, name) == 0) {
		errno = EEXIST; /* the directory itself */
		return NULL;
	}
	while (inode != NULL && part_next(&path, next) > 0) {
		inode = step(inode, name);
		memcpy(name, next, sizeof(next));
	}
	if (inode != NULL && !inode->is_directory) {
		errno = ENOTDIR;
		return NULL;
	}
	return inode;
}
