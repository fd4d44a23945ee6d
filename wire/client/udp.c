/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_BURST 64

int client_udp_address(const char *text, struct sockaddr_in *address)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN];
	unsigned long port;
	char *end;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port == 0 || port > 65535)
		return -EINVAL;
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &address->sin_addr) == 1 ? 0 : -EINVAL;
}

int client_udp_open(const char *address, struct client_udp *udp)
{
	/* DF is set and the kernel's guess of the path is ignored: 1,200 B pass, or are lost. */
	int discover = IP_PMTUDISC_PROBE;
	struct sockaddr_in peer;
	int fd, rc = client_udp_address(address, &peer);

	if (rc < 0)
		return rc;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)) < 0 ||
	    connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*udp = (struct client_udp){ .fd = fd };
	return 0;
}

void client_udp_close(struct client_udp *udp)
{
	if (udp->fd >= 0)
		close(udp->fd);
	udp->fd = -1;
}

uint64_t client_udp_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int send_due(struct client_udp *udp, struct client *client)
{
	uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX];

	for (;;) {
		int size = client_poll(client, client_udp_now_ns(), datagram);

		if (size <= 0)
			return size;
		/* ECONNREFUSED reports an earlier datagram: the switch is down for now. */
		if (send(udp->fd, datagram, (size_t)size, 0) < 0)
			udp->send_errors++;
	}
}

static int receive_all(struct client_udp *udp, struct client *client)
{
	/* One byte more than the largest, so that a longer one is seen as such. */
	uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX + 1];
	int accepted = 0;

	for (unsigned i = 0; i < RECEIVE_BURST; i++) {
		ssize_t size = recv(udp->fd, datagram, sizeof(datagram), 0);

		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (size < 0)
			udp->receive_errors++;
		else
			accepted += client_datagram_in(client, datagram, (size_t)size,
			                client_udp_now_ns()) == DROP_NONE;
	}
	return accepted;
}

int client_udp_turn(struct client_udp *udp, struct client *client, uint64_t wait_ns)
{
	struct pollfd poll_fd = { .fd = udp->fd, .events = POLLIN };
	uint64_t now_ns, due_ns;
	struct timespec wait;
	int rc = send_due(udp, client);

	if (rc < 0)
		return rc;
	now_ns = client_udp_now_ns();
	due_ns = client_due_ns(client, now_ns);
	if (due_ns <= now_ns)
		wait_ns = 0;
	else if (due_ns - now_ns < wait_ns)
		wait_ns = due_ns - now_ns;
	wait.tv_sec = (time_t)(wait_ns / 1000000000u);
	wait.tv_nsec = (long)(wait_ns % 1000000000u);
	if (ppoll(&poll_fd, 1, &wait, NULL) < 0)
		return -errno;
	return receive_all(udp, client);
}
