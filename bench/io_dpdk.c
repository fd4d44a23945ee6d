/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DPDK port as a terminal's network card: one queue pair, addresses of its own, ARP both ways.
 * EAL runs as a primary process with its own file prefix, beside the data plane's.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "bench/io.h"

#define DPDK_MBUFS         8191
#define DPDK_MBUF_CACHE    256
#define DPDK_DESCRIPTORS   1024
#define DPDK_EAL_ARGUMENTS 16
#define DPDK_LINK_WAIT_MS  5000
#define DPDK_ARP_STEP_MS   100
#define FRAME_HEADERS_SIZE                                                                         \
	(sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))

struct frame_headers {
	struct rte_ether_hdr ether;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
};
_Static_assert(sizeof(struct frame_headers) == FRAME_HEADERS_SIZE, "no padding");

struct arp_frame {
	struct rte_ether_hdr ether;
	struct rte_arp_hdr arp;
};
_Static_assert(sizeof(struct arp_frame) == 42, "no padding");

struct io_dpdk {
	struct io io;
	struct rte_mempool *pool;
	uint16_t port;
	uint16_t udp_local, udp_switch; /* network order */
	rte_be32_t ip_local, ip_switch;
	struct rte_ether_addr mac;
	int resolved;
	struct frame_headers
	    headers;            /* of every datagram sent; lengths and checksum are filled in */
	uint32_t checksum_base; /* sum of the IP header's words less total length */
	unsigned room_count;    /* send_mbufs allocated and not pending */
	unsigned pending_first, pending_count;
	unsigned received_count;
	struct rte_mbuf *send_mbufs[LIMIT_BURST], *received[LIMIT_BURST];
};

static struct io_dpdk *io_dpdk(struct io *io)
{
	return (struct io_dpdk *)(void *)io; /* io is the first member, at the same alignment */
}

static unsigned dpdk_flush(struct io *io)
{
	struct io_dpdk *dpdk = io_dpdk(io);

	if (dpdk->pending_count > 0) {
		uint16_t sent = rte_eth_tx_burst(dpdk->port, 0,
		    dpdk->send_mbufs + dpdk->pending_first, (uint16_t)dpdk->pending_count);

		dpdk->pending_first += sent;
		dpdk->pending_count -= sent;
		dpdk->io.counters.sent += sent;
	}
	return dpdk->pending_count;
}

static unsigned dpdk_room(struct io *io, struct io_packet *packets, unsigned max)
{
	struct io_dpdk *dpdk = io_dpdk(io);
	unsigned count = max < LIMIT_BURST ? max : LIMIT_BURST;

	if (dpdk_flush(io) > 0) {
		io->counters.turns_tx_full++;
		return 0;
	}
	if (dpdk->room_count < count) {
		if (rte_pktmbuf_alloc_bulk(dpdk->pool, dpdk->send_mbufs + dpdk->room_count,
		        count - dpdk->room_count) != 0) {
			io->counters.turns_tx_full++;
			return 0;
		}
		dpdk->room_count = count;
	}
	for (unsigned i = 0; i < count; i++)
		packets[i] = (struct io_packet){ rte_pktmbuf_mtod_offset(dpdk->send_mbufs[i],
			                             uint8_t *, FRAME_HEADERS_SIZE),
			0, 0, 0 };
	return count;
}

/* Ones' complement fold and complement (RFC 1071). */
static uint16_t checksum_finish(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* As if it came from another machine behind the same link. */
static void source_set(
    const struct io_dpdk *dpdk, const struct io_packet *packet, struct frame_headers *headers)
{
	rte_be32_t source = rte_cpu_to_be_32(packet->source_ipv4);
	uint32_t sum = dpdk->checksum_base + headers->ip.total_length;

	/* Leaves our address out of the sum and takes the other one in (RFC 1624). */
	sum += (uint16_t) ~(uint16_t)dpdk->ip_local;
	sum += (uint16_t) ~(uint16_t)(dpdk->ip_local >> 16);
	sum += (uint16_t)source;
	sum += (uint16_t)(source >> 16);
	headers->ip.src_addr = source;
	headers->ip.hdr_checksum = checksum_finish(sum);
	headers->udp.src_port = rte_cpu_to_be_16(packet->source_port);
}

static void dpdk_send(struct io *io, const struct io_packet *packets, unsigned count)
{
	struct io_dpdk *dpdk = io_dpdk(io);
	struct rte_mbuf *kept[LIMIT_BURST];
	unsigned kept_count = dpdk->room_count - count;

	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = dpdk->send_mbufs[i];
		uint16_t size = (uint16_t)packets[i].size;
		struct frame_headers *headers = rte_pktmbuf_mtod(mbuf, struct frame_headers *);

		*headers = dpdk->headers;
		headers->ip.total_length =
		    rte_cpu_to_be_16((uint16_t)(sizeof(headers->ip) + sizeof(headers->udp) + size));
		headers->ip.hdr_checksum =
		    checksum_finish(dpdk->checksum_base + headers->ip.total_length);
		headers->udp.dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(headers->udp) + size));
		if (packets[i].source_ipv4 != 0)
			source_set(dpdk, &packets[i], headers);
		mbuf->data_len = (uint16_t)(FRAME_HEADERS_SIZE + size);
		mbuf->pkt_len = mbuf->data_len;
	}
	/* The rest of the room goes to the front once the burst has left; at most 32 pointers. */
	memcpy(kept, dpdk->send_mbufs + count, kept_count * sizeof(kept[0]));
	dpdk->pending_first = 0;
	dpdk->pending_count = count;
	if (dpdk_flush(io) == 0) {
		memcpy(dpdk->send_mbufs, kept, kept_count * sizeof(kept[0]));
		dpdk->room_count = kept_count;
	} else {
		rte_pktmbuf_free_bulk(kept, kept_count);
		dpdk->room_count = 0;
	}
}

/* Sends one ARP frame; best effort: both sides ask again. */
static void arp_send(struct io_dpdk *dpdk, uint16_t operation, const struct rte_ether_addr *to)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(dpdk->pool);
	struct arp_frame *frame;

	if (mbuf == NULL)
		return;
	frame = (void *)rte_pktmbuf_append(mbuf, sizeof(*frame));
	memset(frame, 0, sizeof(*frame));
	frame->ether.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	frame->ether.src_addr = dpdk->mac;
	memset(&frame->ether.dst_addr, 0xff, sizeof(frame->ether.dst_addr));
	frame->arp.arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	frame->arp.arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	frame->arp.arp_hlen = RTE_ETHER_ADDR_LEN;
	frame->arp.arp_plen = sizeof(rte_be32_t);
	frame->arp.arp_opcode = rte_cpu_to_be_16(operation);
	frame->arp.arp_data.arp_sha = dpdk->mac;
	frame->arp.arp_data.arp_sip = dpdk->ip_local;
	frame->arp.arp_data.arp_tip = dpdk->ip_switch;
	if (to != NULL) {
		frame->ether.dst_addr = *to;
		frame->arp.arp_data.arp_tha = *to;
	}
	if (rte_eth_tx_burst(dpdk->port, 0, &mbuf, 1) == 0)
		rte_pktmbuf_free(mbuf);
}

static void arp_receive(struct io_dpdk *dpdk, const struct rte_mbuf *mbuf)
{
	const struct rte_arp_hdr *arp =
	    rte_pktmbuf_mtod_offset(mbuf, const struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));

	if (mbuf->data_len < sizeof(struct rte_ether_hdr) + sizeof(*arp) ||
	    arp->arp_data.arp_tip != dpdk->ip_local || arp->arp_data.arp_sip != dpdk->ip_switch)
		return;
	dpdk->headers.ether.dst_addr = arp->arp_data.arp_sha;
	dpdk->resolved = 1;
	if (arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST))
		arp_send(dpdk, RTE_ARP_OP_REPLY, &arp->arp_data.arp_sha);
}

/* 1 with *packet when the frame is a datagram of the switch for us. */
static int frame_parse(struct io_dpdk *dpdk, struct rte_mbuf *mbuf, struct io_packet *packet)
{
	const struct frame_headers *headers = rte_pktmbuf_mtod(mbuf, const struct frame_headers *);
	uint32_t size;

	if (mbuf->data_len < sizeof(struct rte_ether_hdr))
		return 0;
	if (headers->ether.ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)) {
		arp_receive(dpdk, mbuf);
		return 0;
	}
	if (mbuf->data_len < sizeof(*headers) || mbuf->nb_segs != 1 ||
	    headers->ether.ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
	    headers->ip.version_ihl != 0x45 || headers->ip.next_proto_id != IPPROTO_UDP ||
	    headers->ip.src_addr != dpdk->ip_switch || headers->ip.dst_addr != dpdk->ip_local ||
	    headers->udp.src_port != dpdk->udp_switch || headers->udp.dst_port != dpdk->udp_local)
		return 0;
	size = rte_be_to_cpu_16(headers->udp.dgram_len);
	if (size < sizeof(headers->udp) ||
	    size - sizeof(headers->udp) > mbuf->data_len - sizeof(*headers))
		return 0;
	*packet = (struct io_packet){ rte_pktmbuf_mtod_offset(mbuf, uint8_t *, sizeof(*headers)),
		size - (uint32_t)sizeof(headers->udp), 0, 0 };
	return 1;
}

static unsigned dpdk_receive(struct io *io, struct io_packet *packets, unsigned max)
{
	struct io_dpdk *dpdk = io_dpdk(io);
	unsigned count = 0;

	dpdk->received_count = rte_eth_rx_burst(
	    dpdk->port, 0, dpdk->received, (uint16_t)(max < LIMIT_BURST ? max : LIMIT_BURST));
	for (unsigned i = 0; i < dpdk->received_count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(dpdk->received[i], void *));
	for (unsigned i = 0; i < dpdk->received_count; i++)
		count += (unsigned)frame_parse(dpdk, dpdk->received[i], &packets[count]);
	io->counters.received += count;
	io->counters.ignored += dpdk->received_count - count;
	return count;
}

static void dpdk_release(struct io *io)
{
	struct io_dpdk *dpdk = io_dpdk(io);

	if (dpdk->received_count > 0)
		rte_pktmbuf_free_bulk(dpdk->received, dpdk->received_count);
	dpdk->received_count = 0;
}

/* Ends EAL and removes its folder, which is named after this process and of no use to another. */
static void eal_end(void)
{
	char folder[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;
	DIR *files;

	snprintf(folder, sizeof(folder), "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	files = opendir(folder);
	if (files == NULL)
		return;
	while ((entry = readdir(files)) != NULL) {
		int length = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);

		if (length > 0 && (size_t)length < sizeof(path))
			(void)unlink(path); /* "." and ".." are refused */
	}
	closedir(files);
	(void)rmdir(folder);
}

static void dpdk_close(struct io *io)
{
	struct io_dpdk *dpdk = io_dpdk(io);

	(void)rte_eth_dev_stop(dpdk->port);
	(void)rte_eth_dev_close(dpdk->port);
	eal_end();
	free(dpdk);
}

/* The --vdev argument of a port specification. 0 or -EINVAL. */
static int vdev_argument(const char *port, char *out, size_t size)
{
	static const struct {
		const char *prefix, *format;
	} kinds[] = {
		{ "memif:", "--vdev=net_memif0,role=client,id=0,socket-abstract=no,socket=" },
		{ "af_xdp:", "--vdev=net_af_xdp0,start_queue=0,queue_count=1,iface=" },
		{ "af_packet:", "--vdev=net_af_packet0,iface=" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(kinds); i++) {
		size_t length = strlen(kinds[i].prefix);
		int written;

		if (strncmp(port, kinds[i].prefix, length) != 0 || port[length] == '\0')
			continue;
		written = snprintf(out, size, "%s%s", kinds[i].format, port + length);
		return written < 0 || (size_t)written >= size ? -EINVAL : 0;
	}
	return -EINVAL;
}

static int eal_start(const struct io_config *config, char message[IO_MESSAGE_SIZE])
{
	char cores[32], prefix[64], memory[32], device[512];
	char *arguments[DPDK_EAL_ARGUMENTS];
	int count = 0;

	if (vdev_argument(config->port, device, sizeof(device)) != 0) {
		snprintf(message, IO_MESSAGE_SIZE,
		    "Unknown port %s. Give memif:SOCKET, af_xdp:IFACE, af_packet:IFACE or udp.",
		    config->port);
		return -EINVAL;
	}
	snprintf(cores, sizeof(cores), "%d", config->cpu < 0 ? sched_getcpu() : config->cpu);
	snprintf(prefix, sizeof(prefix), "--file-prefix=sluice-bench-%d", (int)getpid());
	snprintf(memory, sizeof(memory), "%u", config->memory_mib);
	arguments[count++] = strdup("sluice-bench");
	arguments[count++] = strdup("-l");
	arguments[count++] = strdup(cores);
	arguments[count++] = strdup("-m");
	arguments[count++] = strdup(memory);
	arguments[count++] = strdup(prefix);
	arguments[count++] = strdup("--single-file-segments");
	arguments[count++] = strdup("--no-pci");
	arguments[count++] = strdup("--no-telemetry");
	arguments[count++] = strdup("--log-level=error");
	if (!config->hugepages)
		arguments[count++] = strdup("--no-huge");
	arguments[count++] = strdup(device);
	/* EAL keeps pointers into the arguments for the life of the process. */
	if (rte_eal_init(count, arguments) < 0) {
		snprintf(message, IO_MESSAGE_SIZE,
		    "DPDK does not start: %s. Run as root; for af_xdp and af_packet check that the "
		    "interface exists here.",
		    rte_strerror(rte_errno));
		return -EIO;
	}
	return 0;
}

static int port_start(struct io_dpdk *dpdk, char message[IO_MESSAGE_SIZE])
{
	struct rte_eth_conf conf = { 0 };
	int result = 0;

	dpdk->pool = rte_pktmbuf_pool_create("bench", DPDK_MBUFS, DPDK_MBUF_CACHE, 0,
	    RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	if (dpdk->pool == NULL) {
		snprintf(message, IO_MESSAGE_SIZE,
		    "No memory for packet buffers. Give more with --memory MIB.");
		return -ENOMEM;
	}
	if (rte_eth_dev_count_avail() != 1)
		result = -ENODEV;
	dpdk->port = 0;
	if (result == 0)
		result = rte_eth_dev_configure(dpdk->port, 1, 1, &conf);
	if (result == 0)
		result = rte_eth_rx_queue_setup(dpdk->port, 0, DPDK_DESCRIPTORS,
		    (unsigned)rte_eth_dev_socket_id(dpdk->port), NULL, dpdk->pool);
	if (result == 0)
		result = rte_eth_tx_queue_setup(dpdk->port, 0, DPDK_DESCRIPTORS,
		    (unsigned)rte_eth_dev_socket_id(dpdk->port), NULL);
	if (result == 0)
		result = rte_eth_dev_start(dpdk->port);
	if (result == 0)
		result = rte_eth_macaddr_get(dpdk->port, &dpdk->mac);
	if (result != 0)
		snprintf(message, IO_MESSAGE_SIZE,
		    "The port does not start: %s. Is the data plane running and its socket path "
		    "the same?",
		    rte_strerror(-result));
	return result;
}

static void headers_make(struct io_dpdk *dpdk, const struct io_config *config)
{
	struct frame_headers *headers = &dpdk->headers;
	uint16_t words[sizeof(headers->ip) / 2];

	dpdk->ip_local = rte_cpu_to_be_32(config->local_ipv4);
	dpdk->ip_switch = rte_cpu_to_be_32(config->switch_ipv4);
	dpdk->udp_local = rte_cpu_to_be_16(config->local_port);
	dpdk->udp_switch = rte_cpu_to_be_16(config->switch_port);
	headers->ether.src_addr = dpdk->mac;
	headers->ether.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	headers->ip.version_ihl = 0x45;
	headers->ip.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
	headers->ip.time_to_live = 64;
	headers->ip.next_proto_id = IPPROTO_UDP;
	headers->ip.src_addr = dpdk->ip_local;
	headers->ip.dst_addr = dpdk->ip_switch;
	headers->udp.src_port = dpdk->udp_local;
	headers->udp.dst_port = dpdk->udp_switch;
	/* No UDP checksum (RFC 768 allows 0 on IPv4): the tag is stronger. */
	memcpy(words, &headers->ip, sizeof(words));
	dpdk->checksum_base = 0;
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(words); i++)
		dpdk->checksum_base += words[i];
}

static void sleep_ms(long milliseconds)
{
	struct timespec time = { .tv_nsec = milliseconds * 1000000l };

	nanosleep(&time, NULL);
}

/* Waits for the link and the switch's answer to ARP. */
static int port_resolve(struct io_dpdk *dpdk, char message[IO_MESSAGE_SIZE])
{
	struct io_packet packets[LIMIT_BURST];
	struct rte_eth_link link = { 0 };
	int up = 0;

	for (int waited = 0; waited < DPDK_LINK_WAIT_MS && !dpdk->resolved;
	     waited += DPDK_ARP_STEP_MS) {
		up = rte_eth_link_get_nowait(dpdk->port, &link) == 0 &&
		     link.link_status == RTE_ETH_LINK_UP;
		if (up)
			arp_send(dpdk, RTE_ARP_OP_REQUEST, NULL);
		for (int i = 0; i < DPDK_ARP_STEP_MS && !dpdk->resolved; i++) {
			(void)dpdk_receive(&dpdk->io, packets, LIMIT_BURST);
			dpdk_release(&dpdk->io);
			sleep_ms(1);
		}
	}
	if (dpdk->resolved)
		return 0;
	snprintf(message, IO_MESSAGE_SIZE, "%s",
	    up ? "The switch does not answer ARP. Check --switch, and that its ports are open."
	       : "The link stays down. Start the data plane first and give the same socket or "
	         "interface pair.");
	return -ETIMEDOUT;
}

int io_dpdk_open(struct io **out, const struct io_config *config, char message[IO_MESSAGE_SIZE])
{
	struct io_dpdk *dpdk = calloc(1, sizeof(*dpdk));
	int result;

	if (dpdk == NULL) {
		snprintf(message, IO_MESSAGE_SIZE, "Out of memory.");
		return -ENOMEM;
	}
	dpdk->io = (struct io){ dpdk_room, dpdk_send, dpdk_flush, dpdk_receive, dpdk_release,
		dpdk_close, { 0 } };
	result = eal_start(config, message);
	if (result != 0) {
		free(dpdk);
		return result;
	}
	result = port_start(dpdk, message);
	if (result == 0) {
		headers_make(dpdk, config);
		result = port_resolve(dpdk, message);
	}
	if (result != 0) {
		eal_end();
		free(dpdk);
		return result;
	}
	dpdk->io.counters = (struct io_counters){ 0 };
	*out = &dpdk->io;
	return 0;
}
