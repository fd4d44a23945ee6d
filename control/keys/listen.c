/* SPDX-License-Identifier: Apache-2.0 */
/* The key server's address: from the configuration to a bound socket, and peers as text. */
#include "control/keys/internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int bound_socket(const struct addrinfo *address, int *fd, uint16_t *port)
{
	struct sockaddr_storage bound;
	socklen_t size = sizeof(bound);
	char text[12] = "";
	int error, one = 1;

	*fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	if (setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(*fd, address->ai_addr, address->ai_addrlen) == 0 &&
	    getsockname(*fd, (struct sockaddr *)&bound, &size) == 0 &&
	    getnameinfo((struct sockaddr *)&bound, size, NULL, 0, text, sizeof(text),
	        NI_NUMERICSERV) == 0) {
		*port = (uint16_t)strtoul(text, NULL, 10);
		return 0;
	}
	error = errno != 0 ? -errno : -EIO;
	close(*fd);
	*fd = -1;
	return error;
}

int listen_bind(const struct control_config *config, int *fd, uint16_t *port, char *message,
    size_t message_size)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	char text[12];
	int error;

	snprintf(text, sizeof(text), "%u", config->keys.port);
	error = getaddrinfo(config->keys.address, text, &hints, &found);
	if (error != 0) {
		snprintf(message, message_size,
		    "keys.address %s: %s. Give an address of this host.", config->keys.address,
		    gai_strerror(error));
		return -EADDRNOTAVAIL;
	}
	error = bound_socket(found, fd, port);
	freeaddrinfo(found);
	if (error != 0)
		snprintf(message, message_size,
		    "The key server cannot use %s port %s: %s. Stop the program that has it, or "
		    "change keys.address or keys.port.",
		    config->keys.address, text, strerror(-error));
	return error;
}

void listen_address(const struct sockaddr_storage *peer, char *out, size_t size)
{
	if (getnameinfo((const struct sockaddr *)peer, sizeof(*peer), out, (socklen_t)size, NULL, 0,
	        NI_NUMERICHOST) != 0)
		out[0] = '\0';
}
