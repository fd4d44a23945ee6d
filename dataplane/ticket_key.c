/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of the ticket codes: var/lib/sluice/ticket.key, 16 random bytes that only the owner may
 * read, made at the first start. It belongs to the data as the journal does: without it no ticket
 * printed before can be redeemed, so data without its key is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/switch.h"

static int refuse(struct switch_process *process, const char *path, const char *what)
{
	snprintf(process->message, sizeof(process->message), "%.512s: %s", path, what);
	return EXIT_REFUSED;
}

static int key_read(struct switch_process *process, const char *path, int fd)
{
	uint8_t *key = process->shared.ticket_key;
	struct stat status;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
	    status.st_size != TICKET_KEY_SIZE)
		return refuse(process, path,
		    "not a ticket key of 16 bytes; put the right file back from a backup");
	if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return refuse(process, path,
		    "others may read the ticket key; chmod 600, and think who has read it");
	if (read(fd, key, TICKET_KEY_SIZE) != TICKET_KEY_SIZE)
		return refuse(process, path, strerror(errno));
	return 0;
}

/* Under another name until it is whole and on disk. 0 or -1 with errno. */
static int key_write(const char *directory, const char *path, const uint8_t *key)
{
	char fresh[4500];
	int fd, folder, failed;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	failed = write(fd, key, TICKET_KEY_SIZE) != TICKET_KEY_SIZE || fsync(fd) != 0;
	failed |= close(fd) != 0;
	if (failed || rename(fresh, path) != 0)
		return -1;
	folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -1;
	failed = fsync(folder) != 0;
	close(folder);
	return failed ? -1 : 0;
}

/* 1: there are shards, whose bets were sold with tickets of some key. */
static int data_found(const char *directory)
{
	char shard[4500];

	snprintf(shard, sizeof(shard), "%s/shard-0", directory);
	return access(shard, F_OK) == 0;
}

static int key_make(
    struct switch_process *process, const char *directory, const char *path, int anew)
{
	uint8_t *key = process->shared.ticket_key;
	int data = data_found(directory);

	if (data && !anew)
		return refuse(process, path,
		    "the key of the ticket codes is missing beside data that was made with it; "
		    "put the file back from a backup, or start once with --new-ticket-key: it "
		    "makes another key, and tickets sold before can be redeemed no more");
	if (getrandom(key, TICKET_KEY_SIZE, 0) != TICKET_KEY_SIZE ||
	    key_write(directory, path, key) != 0) {
		snprintf(process->message, sizeof(process->message),
		    "%.512s cannot be made: %s; check space and permissions", path,
		    strerror(errno));
		return EXIT_UNREACHABLE;
	}
	if (data)
		log_line(LOG_LEVEL_WARNING, "ticket key",
		    "%s was made anew: tickets sold before cannot be redeemed unless the old file "
		    "is put back",
		    path);
	return 0;
}

int switch_ticket_key(struct switch_process *process, int anew)
{
	char directory[4400], path[4450];
	int fd, status;

	snprintf(directory, sizeof(directory), "%s/var/lib/sluice", process->root);
	snprintf(path, sizeof(path), "%s/ticket.key", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return key_make(process, directory, path, anew);
	if (fd < 0)
		return refuse(process, path, strerror(errno));
	status = key_read(process, path, fd);
	close(fd);
	return status;
}
