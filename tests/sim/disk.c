/* SPDX-License-Identifier: Apache-2.0 */
/* The machine around the files: power, descriptors, writes in flight. Model: sim.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"

#define WRITE_NS_MIN  20000u
#define WRITE_NS_MORE 200000u
#define WRITE_NS_SLOW 100000000u

struct sim_flight {
	struct sim_flight *next;
	struct sim_inode *inode;
	uint64_t offset, due_ns;
	uint8_t *data;     /* as it was handed over */
	const void *bytes; /* where it lies: must still be the same in the end */
	uint32_t size;
	int durable;
	int result;
	sim_flight_done *done; /* NULL: nobody waits for it */
	void *context;
	uint64_t user_data;
};

struct sim_disk_faults sim_faults;
struct sim_disk_counts sim_counts;

static struct sim_fd *fds;
static uint32_t fd_count, fd_room;
static struct sim_flight *flights; /* in the order they were begun */
static uint64_t last_due_ns;
static uint64_t cut_after;
static int dead, cut_due, is_settled;

/* ---- Power ---- */

int sim_call(void)
{
	if (!dead && cut_after > 0 && --cut_after == 0)
		dead = cut_due = 1;
	if (!dead)
		return 0;
	errno = EIO;
	return -1;
}

int sim_is_dead(void)
{
	return dead;
}

int sim_disk_cut_due(void)
{
	return cut_due;
}

void sim_disk_cut_after(uint64_t calls)
{
	cut_after = calls;
}

void sim_disk_look(int begins)
{
	static struct sim_disk_faults faults;
	static uint64_t calls;

	if (begins) {
		faults = sim_faults;
		calls = cut_after;
		sim_faults = (struct sim_disk_faults){ 0 };
		cut_after = 0;
	} else {
		sim_faults = faults;
		cut_after = calls;
	}
}

void sim_disk_set_faults(const struct sim_disk_faults *faults)
{
	sim_faults = *faults;
}

struct sim_disk_counts sim_disk_counts(void)
{
	return sim_counts;
}

static void flight_free(struct sim_flight *flight)
{
	sim_inode_release(flight->inode);
	free(flight->data);
	free(flight);
}

/* What was in flight when the process went. */
static void flights_end(int kill_only)
{
	while (flights != NULL) {
		struct sim_flight *flight = flights;

		flights = flight->next;
		if (flight->done != NULL)
			flight->done(flight->context, flight->user_data, -EIO);
		if (kill_only) {
			if (sim_below(3) != 0)
				sim_file_write(flight->inode, flight->offset, flight->data,
				    flight->size, flight->durable && sim_below(4) == 0);
			else
				sim_counts.lost++;
		} else {
			sim_file_write(
			    flight->inode, flight->offset, flight->data, flight->size, 0);
		}
		flight_free(flight);
	}
}

/* All inodes reachable, each once: a file may have several names for a while. */
static void crash_all(struct sim_inode *directory)
{
	sim_directory_crash(directory);
	for (uint32_t i = 0; i < directory->names.count; i++) {
		struct sim_inode *inode = directory->names.entries[i].inode;

		if (inode->is_directory)
			crash_all(inode);
		else
			sim_file_crash(inode);
	}
}

static void fds_close(void)
{
	for (uint32_t i = 0; i < fd_count; i++) {
		if (fds[i].inode == NULL)
			continue;
		fds[i].inode->lock_fd = 0;
		sim_inode_release(fds[i].inode);
		fds[i].inode = NULL;
	}
}

void sim_disk_power_off(int kill_only)
{
	dead = 1;
	cut_due = 0;
	cut_after = 0;
	if (is_settled)
		return;
	is_settled = 1;
	flights_end(kill_only);
	fds_close();
	if (!kill_only)
		crash_all(sim_top);
}

void sim_disk_power_on(void)
{
	dead = 0;
	is_settled = 0;
	last_due_ns = 0;
}

void sim_disk_reset(void)
{
	struct sim_inode *root;

	while (flights != NULL) {
		struct sim_flight *next = flights->next;

		flight_free(flights);
		flights = next;
	}
	fds_close();
	fd_count = 0;
	sim_inode_release(sim_top);
	sim_lmdb_reset();
	sim_top = sim_inode_make(1);
	root = sim_inode_make(1);
	sim_directory_change(sim_top, "", SIM_ROOT + 1, root);
	sim_directory_sync(sim_top);
	sim_inode_release(root);
	sim_faults = (struct sim_disk_faults){ 0 };
	sim_counts = (struct sim_disk_counts){ 0 };
	dead = cut_due = is_settled = 0;
	cut_after = last_due_ns = 0;
}

/* ---- Descriptors: never given out twice, so that a dead process's hit nothing ---- */

struct sim_fd *sim_fd(int number)
{
	uint32_t index = (uint32_t)(number - SIM_FD_FIRST);

	errno = EBADF;
	if (number < SIM_FD_FIRST || index >= fd_count || fds[index].inode == NULL)
		return NULL;
	return &fds[index];
}

int sim_fd_make(struct sim_inode *inode, int flags)
{
	if (fd_count == fd_room) {
		fd_room = 2 * fd_room + 64;
		fds = realloc(fds, fd_room * sizeof(*fds));
		SLUICE_REQUIRE(fds != NULL);
	}
	sim_inode_hold(inode);
	fds[fd_count] = (struct sim_fd){ .inode = inode, .flags = flags };
	return SIM_FD_FIRST + (int)fd_count++;
}

/* ---- Writes in flight ---- */

static uint64_t due_at(void)
{
	uint64_t now = sim_clock_ns(), due = now + WRITE_NS_MIN + sim_below(WRITE_NS_MORE);

	if (sim_chance(sim_faults.write_slow))
		due = now + sim_below(WRITE_NS_SLOW);
	if (sim_chance(sim_faults.completion_reorder))
		return due;
	if (due < last_due_ns)
		due = last_due_ns;
	last_due_ns = due;
	return due;
}

int sim_flight_begin(struct sim_inode *inode, uint64_t offset, const void *bytes, uint32_t size,
    int durable, sim_flight_done *done, void *context, uint64_t user_data)
{
	struct sim_flight *flight = calloc(1, sizeof(*flight)), **end = &flights;

	SLUICE_REQUIRE(flight != NULL && size > 0);
	*flight = (struct sim_flight){ .inode = inode,
		.offset = offset,
		.due_ns = due_at(),
		.data = malloc(size),
		.bytes = bytes,
		.size = size,
		.durable = durable,
		.result = (int)size,
		.done = done,
		.context = context,
		.user_data = user_data };
	SLUICE_REQUIRE(flight->data != NULL);
	memcpy(flight->data, bytes, size);
	sim_inode_hold(inode);
	if (sim_chance(sim_faults.write_error)) {
		uint64_t sectors = sim_below(size / SIM_SECTOR_SIZE + 1);

		flight->result = sim_below(2) == 0 ? -EIO : (int)(sectors * SIM_SECTOR_SIZE);
		if (flight->result == (int)size)
			flight->result = -EIO;
	}
	while (*end != NULL)
		end = &(*end)->next;
	*end = flight;
	return 0;
}

static void complete(struct sim_flight *flight)
{
	if (flight->done != NULL && memcmp(flight->bytes, flight->data, flight->size) != 0) {
		fprintf(stderr, "sim: the buffer of a write in flight was changed\n");
		abort();
	}
	sim_counts.completions++;
	sim_counts.unnamed += flight->durable && sim_directory_changes(sim_top, flight->inode);
	if (flight->result >= 0) {
		sim_file_write(flight->inode, flight->offset, flight->data,
		    (uint64_t)flight->result, flight->durable);
	} else {
		sim_file_write_failed(flight->inode, flight->offset, flight->data, flight->size);
	}
	if (flight->done != NULL)
		flight->done(flight->context, flight->user_data, flight->result);
	flight_free(flight);
}

static struct sim_flight **earliest(void)
{
	struct sim_flight **found = NULL;

	for (struct sim_flight **link = &flights; *link != NULL; link = &(*link)->next)
		if (found == NULL || (*link)->due_ns < (*found)->due_ns)
			found = link;
	return found;
}

uint64_t sim_disk_next_ns(void)
{
	struct sim_flight **next = earliest();

	return next == NULL || dead ? UINT64_MAX : (*next)->due_ns;
}

unsigned sim_disk_step(void)
{
	struct sim_flight **next;
	unsigned count = 0;

	while (!dead && (next = earliest()) != NULL && (*next)->due_ns <= sim_clock_ns()) {
		struct sim_flight *flight = *next;

		*next = flight->next;
		complete(flight);
	}
	for (struct sim_flight *flight = flights; flight != NULL; flight = flight->next)
		count++;
	return count;
}

int sim_disk_straddles(void)
{
	for (const struct sim_flight *a = flights; a != NULL; a = a->next)
		for (const struct sim_flight *b = a->next; b != NULL; b = b->next)
			if (a->context == b->context && a->inode != b->inode)
				return 1;
	return 0;
}

void sim_flight_forget(const void *context)
{
	for (struct sim_flight *flight = flights; flight != NULL; flight = flight->next)
		if (flight->context == context)
			flight->done = NULL;
}

void sim_flight_fail(const void *context)
{
	for (struct sim_flight *flight = flights; flight != NULL; flight = flight->next) {
		if (flight->context != context || flight->done == NULL)
			continue;
		flight->done(flight->context, flight->user_data, -EIO);
		flight->done = NULL;
	}
}

void sim_flight_show(const struct sim_inode *inode, uint64_t offset, uint8_t *to, uint64_t size)
{
	for (struct sim_flight *flight = flights; flight != NULL; flight = flight->next) {
		if (flight->inode != inode || flight->offset >= offset + size ||
		    flight->offset + flight->size <= offset || sim_below(2) == 0)
			continue;
		for (uint64_t i = 0; i < flight->size; i += SIM_SECTOR_SIZE) {
			uint64_t at = flight->offset + i;

			if (at >= offset && at + SIM_SECTOR_SIZE <= offset + size &&
			    i + SIM_SECTOR_SIZE <= flight->size && sim_below(2) == 0)
				memcpy(to + (at - offset), flight->data + i, SIM_SECTOR_SIZE);
		}
	}
}

unsigned sim_flight_count(const void *context)
{
	unsigned count = 0;

	for (struct sim_flight *flight = flights; flight != NULL; flight = flight->next)
		count += flight->context == context && flight->done != NULL;
	return count;
}
