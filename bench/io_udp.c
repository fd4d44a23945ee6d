/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel UDP: one connected socket, one system call per burst. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/io.h"

#define UDP_BUFFER_SIZE   1216 /* LIMIT_DATAGRAM_SIZE_MAX in whole cache lines */
#define UDP_SOCKET_BUFFER (8 << 20)

_Static_assert(UDP_BUFFER_SIZE >= LIMIT_DATAGRAM_SIZE_MAX, "a datagram fits");

struct io_udp {
	struct io io;
	int fd;
	unsigned pending_first, pending_count; /* of send[], not taken by the kernel yet */
	struct mmsghdr send[LIMIT_BURST], receive[LIMIT_BURST];
	struct iovec send_vector[LIMIT_BURST], receive_vector[LIMIT_BURST];
	_Alignas(64) uint8_t send_buffer[LIMIT_BURST][UDP_BUFFER_SIZE];
	_Alignas(64) uint8_t receive_buffer[LIMIT_BURST][UDP_BUFFER_SIZE];
};

static struct io_udp *io_udp(struct io *io)
{
	return (struct io_udp *)(void *)io; /* io is the first member, at the same alignment */
}

static unsigned udp_flush(struct io *io)
{
	struct io_udp *udp = io_udp(io);

	while (udp->pending_count > 0) {
		int sent = sendmmsg(
		    udp->fd, udp->send + udp->pending_first, udp->pending_count, MSG_DONTWAIT);

		if (sent < 0 && errno == ECONNREFUSED)
			continue; /* an earlier ICMP error: it is cleared now, nothing was sent */
		if (sent <= 0)
			break;
		udp->pending_first += (unsigned)sent;
		udp->pending_count -= (unsigned)sent;
		udp->io.counters.sent += (unsigned)sent;
	}
	return udp->pending_count;
}

static unsigned udp_room(struct io *io, struct io_packet *packets, unsigned max)
{
	struct io_udp *udp = io_udp(io);

	if (udp_flush(io) > 0) {
		io->counters.turns_tx_full++;
		return 0;
	}
	for (unsigned i = 0; i < max && i < LIMIT_BURST; i++)
		packets[i] = (struct io_packet){ .data = udp->send_buffer[i] };
	return max < LIMIT_BURST ? max : LIMIT_BURST;
}

static void udp_send(struct io *io, const struct io_packet *packets, unsigned count)
{
	struct io_udp *udp = io_udp(io);

	for (unsigned i = 0; i < count; i++)
		udp->send_vector[i].iov_len = packets[i].size;
	udp->pending_first = 0;
	udp->pending_count = count;
	(void)udp_flush(io);
}

static unsigned udp_receive(struct io *io, struct io_packet *packets, unsigned max)
{
	struct io_udp *udp = io_udp(io);
	int count = recvmmsg(
	    udp->fd, udp->receive, max < LIMIT_BURST ? max : LIMIT_BURST, MSG_DONTWAIT, NULL);

	if (count <= 0)
		return 0;
	for (int i = 0; i < count; i++)
		packets[i] = (struct io_packet){ .data = udp->receive_buffer[i],
			.size = udp->receive[i].msg_len };
	io->counters.received += (unsigned)count;
	return (unsigned)count;
}

static void udp_release(struct io *io)
{
	(void)io; /* the buffers are used again by the next receive */
}

static void udp_close(struct io *io)
{
	close(io_udp(io)->fd);
	free(io);
}

static int udp_connect(const struct io_config *config)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(config->local_port) };
	struct sockaddr_in remote = { .sin_family = AF_INET,
		.sin_port = htons(config->switch_port),
		.sin_addr.s_addr = htonl(config->switch_ipv4) };
	int buffer = UDP_SOCKET_BUFFER, error;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* As large as the system allows; a smaller one only costs resends, which are counted. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0 ||
	    connect(fd, (struct sockaddr *)&remote, sizeof(remote)) != 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int io_udp_open(struct io **out, const struct io_config *config, char message[IO_MESSAGE_SIZE])
{
	struct io_udp *udp = aligned_alloc(64, (sizeof(*udp) + 63) / 64 * 64);
	int result = -ENOMEM;

	if (udp != NULL) {
		memset(udp, 0, sizeof(*udp));
		result = udp_connect(config);
	}
	if (result < 0) {
		snprintf(message, IO_MESSAGE_SIZE,
		    "Cannot open a UDP socket on port %u: %s. Give a free port with --local-port.",
		    config->local_port, strerror(-result));
		free(udp);
		return result;
	}
	udp->fd = result;
	for (unsigned i = 0; i < LIMIT_BURST; i++) {
		udp->send_vector[i].iov_base = udp->send_buffer[i];
		udp->receive_vector[i] =
		    (struct iovec){ udp->receive_buffer[i], LIMIT_DATAGRAM_SIZE_MAX };
		udp->send[i].msg_hdr.msg_iov = &udp->send_vector[i];
		udp->send[i].msg_hdr.msg_iovlen = 1;
		udp->receive[i].msg_hdr.msg_iov = &udp->receive_vector[i];
		udp->receive[i].msg_hdr.msg_iovlen = 1;
	}
	udp->io = (struct io){ udp_room, udp_send, udp_flush, udp_receive, udp_release, udp_close,
		{ 0 } };
	*out = &udp->io;
	return 0;
}

static int pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

int io_open(struct io **out, const struct io_config *config, char message[IO_MESSAGE_SIZE])
{
	int result = pin(config->cpu);

	if (result != 0) {
		snprintf(message, IO_MESSAGE_SIZE,
		    "Cannot run on CPU %d: %s. Give another one with --cpu.", config->cpu,
		    strerror(-result));
		return result;
	}
	return strcmp(config->port, "udp") == 0 ? io_udp_open(out, config, message)
	                                        : io_dpdk_open(out, config, message);
}
