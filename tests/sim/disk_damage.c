/* SPDX-License-Identifier: Apache-2.0 */
/* Damage to what was durable: the device's own, while the process is down. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/sim/disk.h"

/* One page of one file, that holds something. */
struct place {
	struct sim_inode *file;
	uint64_t page;
};

struct search {
	const char *prefix;
	uint64_t limit; /* pages */
	uint64_t seen;
	struct place chosen;
};

static int page_is_used(const struct sim_inode *file, uint64_t page)
{
	const struct sim_content *content = &file->durable;

	return page < content->room && page * SIM_PAGE_SIZE < content->size &&
	       content->pages[page] != NULL && page < file->current.room &&
	       file->current.pages[page] == content->pages[page];
}

/* Every place with the same chance, in one walk. */
static void search_file(struct search *search, struct sim_inode *file)
{
	for (uint64_t i = 0; i < file->durable.room && i < search->limit; i++)
		if (page_is_used(file, i) && sim_below(++search->seen) == 0)
			search->chosen = (struct place){ file, i };
}

static void search_directory(struct search *search, const struct sim_inode *directory)
{
	for (uint32_t i = 0; i < directory->names.count; i++) {
		struct sim_entry *entry = &directory->names.entries[i];

		if (entry->inode->is_directory)
			search_directory(search, entry->inode);
		else if (strncmp(entry->name, search->prefix, strlen(search->prefix)) == 0)
			search_file(search, entry->inode);
	}
}

static int place_find(const char *prefix, uint64_t limit, struct place *place)
{
	struct search search = { .prefix = prefix,
		.limit = limit == 0 ? UINT64_MAX : (limit + SIM_PAGE_SIZE - 1) / SIM_PAGE_SIZE };

	search_directory(&search, sim_top);
	if (search.seen == 0)
		return -ENOENT;
	*place = search.chosen;
	return 0;
}

/* Both versions: what is durable is what will be read. */
static void page_put(struct sim_inode *file, uint64_t page, const uint8_t *bytes)
{
	sim_content_write(&file->current, page * SIM_PAGE_SIZE, bytes, SIM_PAGE_SIZE);
	sim_content_write(&file->durable, page * SIM_PAGE_SIZE, bytes, SIM_PAGE_SIZE);
}

int sim_disk_flip_bit(const char *prefix, uint64_t limit)
{
	uint8_t bytes[SIM_PAGE_SIZE];
	struct place place;
	uint64_t end, bit;
	int error = place_find(prefix, limit, &place);

	if (error != 0)
		return error;
	sim_content_read(&place.file->durable, place.page * SIM_PAGE_SIZE, bytes, SIM_PAGE_SIZE);
	/* Not in the zeros at the end of the page: nothing speaks for those. */
	for (end = SIM_PAGE_SIZE; end > 1 && bytes[end - 1] == 0; end--)
		;
	if (limit != 0 && (place.page + 1) * SIM_PAGE_SIZE > limit &&
	    end > limit - place.page * SIM_PAGE_SIZE)
		end = limit - place.page * SIM_PAGE_SIZE;
	bit = sim_below(8 * end);
	bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	page_put(place.file, place.page, bytes);
	sim_counts.flips++;
	return 0;
}

int sim_disk_misdirect(const char *prefix)
{
	uint8_t bytes[SIM_PAGE_SIZE];
	struct place place;
	uint64_t pages, to;
	int error = place_find(prefix, 0, &place);

	if (error != 0)
		return error;
	pages = place.file->durable.size / SIM_PAGE_SIZE;
	if (pages < 2)
		return -ENOENT;
	to = sim_below(pages - 1);
	to += to >= place.page;
	sim_content_read(&place.file->durable, place.page * SIM_PAGE_SIZE, bytes, SIM_PAGE_SIZE);
	page_put(place.file, to, bytes);
	sim_counts.misdirected++;
	return 0;
}

int sim_disk_patch(const char *path, uint64_t offset, const void *bytes, size_t size)
{
	struct sim_inode *file = sim_path_find(AT_FDCWD, path);

	if (file == NULL || file->is_directory)
		return -ENOENT;
	if (offset > file->current.size || size > file->current.size - offset)
		return -EINVAL;
	sim_file_sync(file);
	sim_content_write(&file->current, offset, bytes, size);
	sim_content_write(&file->durable, offset, bytes, size);
	return 0;
}
