/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of files. `current` is what the process sees; `durable` what a power cut leaves for
 * certain; `writes` are the ones in between, in order.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"

#define POOL_MAX 4096u

static struct sim_page *pool[POOL_MAX];
static uint32_t pool_count;

static void *allocated(void *memory)
{
	SLUICE_REQUIRE(memory != NULL);
	return memory;
}

static struct sim_page *page_make(void)
{
	struct sim_page *page = pool_count > 0 ? pool[--pool_count] : malloc(sizeof(*page));

	SLUICE_REQUIRE(page != NULL);
	page->refs = 1;
	return page;
}

static void page_release(struct sim_page *page)
{
	if (page == NULL || --page->refs > 0)
		return;
	if (pool_count < POOL_MAX)
		pool[pool_count++] = page;
	else
		free(page);
}

static int is_zero(const uint8_t *bytes, uint64_t size)
{
	return bytes == NULL ||
	       (bytes[0] == 0 && (size == 1 || memcmp(bytes, bytes + 1, size - 1) == 0));
}

void sim_content_read(const struct sim_content *content, uint64_t offset, void *to, uint64_t size)
{
	uint8_t *at = to;

	while (size > 0) {
		uint64_t index = offset / SIM_PAGE_SIZE, inside = offset % SIM_PAGE_SIZE;
		uint64_t part = SIM_PAGE_SIZE - inside < size ? SIM_PAGE_SIZE - inside : size;

		if (index < content->room && content->pages[index] != NULL)
			memcpy(at, content->pages[index]->bytes + inside, part);
		else
			memset(at, 0, part);
		at += part;
		offset += part;
		size -= part;
	}
}

static void make_room(struct sim_content *content, uint64_t size)
{
	uint64_t room = (size + SIM_PAGE_SIZE - 1) / SIM_PAGE_SIZE;

	if (room <= content->room)
		return;
	if (room < 2 * content->room)
		room = 2 * content->room;
	content->pages = allocated(realloc(content->pages, room * sizeof(*content->pages)));
	memset(content->pages + content->room, 0, (room - content->room) * sizeof(*content->pages));
	content->room = room;
}

static void page_write(struct sim_page **slot, uint64_t inside, const uint8_t *data, uint64_t size)
{
	struct sim_page *page = *slot;

	if (size == SIM_PAGE_SIZE && is_zero(data, size)) {
		page_release(page);
		*slot = NULL;
		return;
	}
	if (page == NULL || page->refs > 1) {
		struct sim_page *copy = page_make();

		if (size < SIM_PAGE_SIZE && page == NULL)
			memset(copy->bytes, 0, SIM_PAGE_SIZE);
		else if (size < SIM_PAGE_SIZE)
			memcpy(copy->bytes, page->bytes, SIM_PAGE_SIZE);
		page_release(page);
		page = *slot = copy;
	}
	if (data == NULL)
		memset(page->bytes + inside, 0, size);
	else
		memcpy(page->bytes + inside, data, size);
}

void sim_content_write(
    struct sim_content *content, uint64_t offset, const uint8_t *data, uint64_t size)
{
	make_room(content, offset + size);
	if (offset + size > content->size)
		content->size = offset + size;
	while (size > 0) {
		uint64_t index = offset / SIM_PAGE_SIZE, inside = offset % SIM_PAGE_SIZE;
		uint64_t part = SIM_PAGE_SIZE - inside < size ? SIM_PAGE_SIZE - inside : size;

		if (content->pages[index] != NULL || data != NULL)
			page_write(&content->pages[index], inside, data, part);
		if (data != NULL)
			data += part;
		offset += part;
		size -= part;
	}
}

void sim_content_resize(struct sim_content *content, uint64_t size)
{
	if (size < content->size) {
		uint64_t end = (size + SIM_PAGE_SIZE - 1) / SIM_PAGE_SIZE;
		uint64_t tail = end * SIM_PAGE_SIZE - size;

		for (uint64_t i = end; i < content->room; i++) {
			page_release(content->pages[i]);
			content->pages[i] = NULL;
		}
		if (tail > 0)
			sim_content_write(content, size, NULL, tail);
	}
	make_room(content, size);
	content->size = size;
}

void sim_content_copy(struct sim_content *to, const struct sim_content *from)
{
	sim_content_resize(to, 0);
	sim_content_resize(to, from->size);
	for (uint64_t i = 0; i < from->room && i < to->room; i++) {
		to->pages[i] = from->pages[i];
		if (to->pages[i] != NULL)
			to->pages[i]->refs++;
	}
}

static void content_free(struct sim_content *content)
{
	sim_content_resize(content, 0);
	free(content->pages);
	*content = (struct sim_content){ 0 };
}

/* ---- Writes not durable yet ---- */

static struct sim_write *write_make(uint64_t offset, const uint8_t *data, uint64_t size)
{
	struct sim_write *write = allocated(calloc(1, sizeof(*write)));

	write->offset = offset;
	write->size = size;
	if (!is_zero(data, size)) {
		write->data = allocated(malloc(size));
		memcpy(write->data, data, size);
	}
	return write;
}

static void write_free(struct sim_write *write)
{
	free(write->data);
	free(write);
}

static void writes_end_find(struct sim_inode *file)
{
	file->writes_end = &file->writes;
	while (*file->writes_end != NULL)
		file->writes_end = &(*file->writes_end)->next;
}

/*
 * A range has become durable by something newer: of the writes before `until` only what lies
 * outside of it can still matter.
 */
static void strike(
    struct sim_inode *file, const struct sim_write *until, uint64_t offset, uint64_t size)
{
	struct sim_write **link = &file->writes;

	while (*link != until) {
		struct sim_write *write = *link, *behind;
		uint64_t end = write->offset + write->size;

		if (write->offset >= offset + size || end <= offset) {
			link = &write->next;
			continue;
		}
		if (end > offset + size) {
			uint64_t skip = offset + size - write->offset;

			behind = write_make(offset + size,
			    write->data == NULL ? NULL : write->data + skip, write->size - skip);
			behind->abandoned = write->abandoned;
			behind->next = write->next;
			write->next = behind;
		}
		if (write->offset < offset) {
			write->size = offset - write->offset;
			link = &write->next;
			continue;
		}
		*link = write->next;
		write_free(write);
	}
	writes_end_find(file);
}

/* The range of the current version becomes the durable one. */
static void settle(struct sim_inode *file, uint64_t offset, const uint8_t *data, uint64_t size)
{
	make_room(&file->durable, offset + size);
	if (offset + size > file->durable.size)
		file->durable.size = offset + size;
	while (size > 0) {
		uint64_t index = offset / SIM_PAGE_SIZE, inside = offset % SIM_PAGE_SIZE;
		uint64_t part = SIM_PAGE_SIZE - inside < size ? SIM_PAGE_SIZE - inside : size;

		if (part == SIM_PAGE_SIZE) {
			struct sim_page *page = file->current.pages[index];

			page_release(file->durable.pages[index]);
			file->durable.pages[index] = page;
			if (page != NULL)
				page->refs++;
		} else {
			sim_content_write(&file->durable, offset, data, part);
		}
		if (data != NULL)
			data += part;
		offset += part;
		size -= part;
	}
}

void sim_file_write(
    struct sim_inode *file, uint64_t offset, const uint8_t *data, uint64_t size, int durable)
{
	if (size == 0)
		return;
	sim_counts.writes++;
	sim_counts.bytes += size;
	sim_content_write(&file->current, offset, data, size);
	if (durable) {
		if (file->writes != NULL)
			strike(file, NULL, offset, size);
		settle(file, offset, data, size);
		return;
	}
	*file->writes_end = write_make(offset, data, size);
	file->writes_end = &(*file->writes_end)->next;
}

void sim_file_sync(struct sim_inode *file)
{
	struct sim_write **link = &file->writes;

	while (*link != NULL) {
		struct sim_write *write = *link;

		if (write->abandoned) {
			link = &write->next;
			continue;
		}
		sim_content_write(&file->durable, write->offset, write->data, write->size);
		if (link != &file->writes) {
			strike(file, write, write->offset, write->size);
			for (link = &file->writes; *link != write; link = &(*link)->next)
				;
		}
		*link = write->next;
		write_free(write);
	}
	sim_content_resize(&file->durable, file->current.size);
	writes_end_find(file);
}

void sim_file_abandon(struct sim_inode *file)
{
	for (struct sim_write *write = file->writes; write != NULL; write = write->next)
		write->abandoned = 1;
}

void sim_write_torn(uint64_t offset, const uint8_t *data, uint64_t size, sim_put *put, void *to)
{
	uint64_t unit = sim_below(2) == 0 ? SIM_SECTOR_SIZE : SIM_PAGE_SIZE, kept = 0, all = size;

	switch (sim_below(4)) {
	case 0:
		sim_counts.lost++;
		return;
	case 1:
		put(to, offset, data, size);
		return;
	default:
		break;
	}
	while (size > 0) {
		uint64_t part = unit - offset % unit < size ? unit - offset % unit : size;

		if (sim_below(2) == 0) {
			put(to, offset, data, part);
			kept += part;
		}
		if (data != NULL)
			data += part;
		offset += part;
		size -= part;
	}
	sim_counts.lost += kept == 0;
	sim_counts.torn += kept != 0 && kept != all;
}

static void put_content(void *content, uint64_t offset, const uint8_t *data, uint64_t size)
{
	sim_content_write(content, offset, data, size);
}

static void put_file(void *file, uint64_t offset, const uint8_t *data, uint64_t size)
{
	sim_file_write(file, offset, data, size, 0);
}

void sim_file_write_failed(
    struct sim_inode *file, uint64_t offset, const uint8_t *data, uint64_t size)
{
	sim_counts.errors++;
	sim_write_torn(offset, data, size, put_file, file);
}

static void writes_drop(struct sim_inode *file)
{
	while (file->writes != NULL) {
		struct sim_write *next = file->writes->next;

		write_free(file->writes);
		file->writes = next;
	}
	file->writes_end = &file->writes;
}

void sim_file_crash(struct sim_inode *file)
{
	uint64_t size = file->current.size;

	/* A change of size not synced: kept or not. */
	if (file->writes == NULL && size == file->durable.size)
		return;
	for (struct sim_write *write = file->writes; write != NULL; write = write->next)
		sim_write_torn(
		    write->offset, write->data, write->size, put_content, &file->durable);
	if (size != file->durable.size && sim_below(2) == 0)
		sim_content_resize(&file->durable, size);
	writes_drop(file);
	sim_content_copy(&file->current, &file->durable);
}

void sim_file_free(struct sim_inode *file)
{
	writes_drop(file);
	content_free(&file->current);
	content_free(&file->durable);
	sim_environment_free(file->environment);
}
