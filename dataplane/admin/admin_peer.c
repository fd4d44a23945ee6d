/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/admin/admin_peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void admin_peer_close(struct admin_peer *client)
{
	close(client->fd);
	client->fd = -1;
	if (client->job != NULL)
		client->job->client = NULL;
	client->job = NULL;
	if (client->in != NULL)
		explicit_bzero(client->in, ADMIN_LINE_SIZE_MAX); /* lines may hold keys */
	free(client->in);
	free(client->out);
	client->in = NULL;
	client->out = NULL;
}

void admin_peer_flush(struct admin_peer *client)
{
	while (client->fd >= 0 && client->out_sent < client->out_size) {
		ssize_t sent = send(client->fd, client->out + client->out_sent,
		    client->out_size - client->out_sent, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (sent <= 0) {
			admin_peer_close(client);
			return;
		}
		client->out_sent += (uint32_t)sent;
	}
	client->out_sent = client->out_size = 0;
}

void admin_peer_answer(struct admin_peer *client, json_t *answer)
{
	char *text = answer == NULL ? NULL : json_dumps(answer, JSON_COMPACT);
	size_t size = text == NULL ? 0 : strlen(text);

	json_decref(answer);
	if (client->fd >= 0) {
		if (text == NULL || client->out_size + size + 1 > ADMIN_OUT_SIZE_MAX) {
			admin_peer_close(client);
		} else {
			memcpy(client->out + client->out_size, text, size);
			client->out[client->out_size + size] = '\n';
			client->out_size += (uint32_t)size + 1;
			admin_peer_flush(client);
		}
	}
	free(text);
}

void admin_peer_read(struct admin_peer *client)
{
	ssize_t got;

	if (client->in_size == ADMIN_LINE_SIZE_MAX)
		return;
	got = read(client->fd, client->in + client->in_size, ADMIN_LINE_SIZE_MAX - client->in_size);
	if (got > 0)
		client->in_size += (uint32_t)got;
	else if (got == 0)
		client->eof = 1;
	else if (errno != EAGAIN && errno != EINTR)
		admin_peer_close(client);
}

int admin_peer_has_line(const struct admin_peer *client)
{
	return client->fd >= 0 && client->job == NULL && client->out_size == 0 &&
	       client->in_size != 0 && memchr(client->in, '\n', client->in_size) != NULL;
}

struct pollfd admin_peer_poll(const struct admin_peer *client)
{
	int reads = client->job == NULL && !client->eof && client->in_size < ADMIN_LINE_SIZE_MAX;
	short events = (short)((reads ? POLLIN : 0) | (client->out_size != 0 ? POLLOUT : 0));

	return (struct pollfd){ .fd = client->fd, .events = events };
}
