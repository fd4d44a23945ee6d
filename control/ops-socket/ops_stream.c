/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "control/ops-socket/ops_internal.h"

#define BUFFER_SIZE_FIRST 4096u

static int64_t now_ms(void)
{
	struct timespec now;

	SLUICE_REQUIRE(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0 when ready (or hung up: the next call says so), -ETIMEDOUT, -errno. */
static int wait_for(int fd, short events, int64_t until_ms)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = events };
		int64_t left = until_ms - now_ms();
		int ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);

		if (ready > 0)
			return 0;
		if (ready == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int buffer_grow(struct ops_stream *stream)
{
	size_t size = stream->size == 0 ? BUFFER_SIZE_FIRST : stream->size * 2;
	char *buffer;

	/* One byte more than the longest line, for its end. */
	if (stream->size > VERB_LINE_SIZE_MAX)
		return -EMSGSIZE;
	if (size > VERB_LINE_SIZE_MAX)
		size = VERB_LINE_SIZE_MAX + 1;
	buffer = realloc(stream->buffer, size);
	if (buffer == NULL)
		return -ENOMEM;
	stream->buffer = buffer;
	stream->size = size;
	return 0;
}

/* Takes the line of the last call out of the buffer. */
static void buffer_shift(struct ops_stream *stream)
{
	if (stream->scanned == 0)
		return;
	stream->used -= stream->scanned;
	memmove(stream->buffer, stream->buffer + stream->scanned, stream->used);
	stream->scanned = 0;
	/* What one long line needed is not kept for all the short ones. */
	if (stream->used == 0 && stream->size > 16 * BUFFER_SIZE_FIRST) {
		free(stream->buffer);
		stream->buffer = NULL;
		stream->size = 0;
	}
}

int ops_stream_read(struct ops_stream *stream, char **line, size_t *size)
{
	int64_t begin = now_ms();
	size_t searched = 0;

	buffer_shift(stream);
	for (;;) {
		char *end = stream->used > searched
		                ? memchr(stream->buffer + searched, '\n', stream->used - searched)
		                : NULL;
		int64_t limit =
		    stream->used > 0 ? stream->line_timeout_ms : stream->idle_timeout_ms;
		ssize_t received;
		int result;

		if (end != NULL) {
			*line = stream->buffer;
			*size = (size_t)(end - stream->buffer);
			stream->scanned = *size + 1;
			return 1;
		}
		searched = stream->used;
		if (stream->used == stream->size && (result = buffer_grow(stream)) != 0)
			return result;
		result = wait_for(stream->fd, POLLIN, begin + limit);
		if (result == -ETIMEDOUT && stream->used == 0)
			return -ETIME;
		if (result != 0)
			return result;
		received = recv(stream->fd, stream->buffer + stream->used,
		    stream->size - stream->used, MSG_DONTWAIT);
		if (received == 0)
			return 0;
		if (received < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (received < 0)
			continue;
		if (stream->used == 0)
			begin = now_ms();
		stream->used += (size_t)received;
	}
}

int ops_stream_write(struct ops_stream *stream, const char *text, size_t size)
{
	int64_t until = now_ms() + stream->line_timeout_ms;

	for (size_t done = 0; done < size;) {
		ssize_t sent =
		    send(stream->fd, text + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		int result;

		if (sent >= 0) {
			done += (size_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		result = wait_for(stream->fd, POLLOUT, until);
		if (result != 0)
			return result;
	}
	return 0;
}

void ops_stream_free(struct ops_stream *stream)
{
	free(stream->buffer);
	stream->buffer = NULL;
	stream->size = stream->used = stream->scanned = 0;
}
