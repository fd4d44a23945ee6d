/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/port/port.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTORS_DEFAULT 1024
/* Calls of the driver without progress before the rest is given back. */
#define TRANSMIT_TRIES 4

struct port {
	uint16_t port_id;
	uint16_t queue_count;
	struct port_frame_self self;
	const char *type;
};

static const struct {
	enum port_kind kind;
	const char *device; /* name without index; NULL: by address */
	const char *type;
} kinds[] = {
	{ PORT_PCI, NULL, "pci" },
	{ PORT_AF_XDP, "net_af_xdp", "af_xdp" },
	{ PORT_AF_PACKET, "net_af_packet", "af_packet" },
	{ PORT_MEMIF, "net_memif", "memif" },
	{ PORT_RING, "net_ring", "ring" },
	{ PORT_NULL, "net_null", "null" },
};

static const char *type_of(const char *driver)
{
	for (size_t i = 0; driver != NULL && i < SLUICE_ARRAY_COUNT(kinds); i++) {
		if (kinds[i].device != NULL && strcmp(driver, kinds[i].device) == 0)
			return kinds[i].type;
	}
	return "pci";
}

static void device_name(const struct port_config *config, char *out, size_t out_size)
{
	const char *device = config->device == NULL ? "" : config->device;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(kinds); i++) {
		if (kinds[i].kind == config->kind && kinds[i].device != NULL) {
			snprintf(out, out_size, "%s%u", kinds[i].device, config->index);
			return;
		}
	}
	snprintf(out, out_size, "%.*s", (int)strcspn(device, ","), device);
}

/* What usually helps when a step of opening fails with this error. */
static const char *remedy(enum port_kind kind, int error)
{
	if (error == -EPERM || error == -EACCES)
		return "run as root or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF";
	if (error == -ENOMEM || error == -ENOBUFS)
		return "raise memory.megabytes, or the locked-memory limit (ulimit -l)";
	if (kind == PORT_AF_XDP)
		return "another program may hold queue 0 of the interface (`ip link show` names an "
		       "XDP program), or the kernel lacks AF_XDP: then use type af_packet";
	if (kind == PORT_MEMIF)
		return "remove a stale socket file, or stop the process that listens on it";
	if (kind == PORT_PCI)
		return "check `dpdk-devbind.py --status`";
	return "check that the device exists and no other process uses it";
}

static int failed(const struct port_config *config, const char *name, const char *step, int error,
    char *message, size_t message_size)
{
	snprintf(message, message_size, "port %u (%s): %s: %s; %s", config->index, name, step,
	    strerror(-error), remedy(config->kind, error));
	return error;
}

static uint16_t mtu_of(const struct rte_eth_dev_info *info)
{
	uint16_t mtu = RTE_ETHER_MTU;

	if (info->max_mtu != 0 && mtu > info->max_mtu)
		mtu = info->max_mtu;
	if (mtu < info->min_mtu)
		mtu = info->min_mtu;
	return mtu;
}

static int device_configure(struct port *port, const struct port_config *config,
    const struct rte_eth_dev_info *info, const char **step)
{
	uint16_t count = config->descriptor_count;
	uint16_t receive, transmit;
	int socket = rte_eth_dev_socket_id(port->port_id);
	struct rte_eth_conf conf;
	int error;

	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = mtu_of(info);
	if (port->queue_count > 1 && info->flow_type_rss_offloads != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
		    (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info->flow_type_rss_offloads;
	}
	*step = "cannot configure the device";
	error = rte_eth_dev_configure(port->port_id, port->queue_count, port->queue_count, &conf);
	if (error != 0)
		return error;
	receive = transmit = count == 0 ? DESCRIPTORS_DEFAULT : count;
	*step = "cannot adapt the number of descriptors";
	error = rte_eth_dev_adjust_nb_rx_tx_desc(port->port_id, &receive, &transmit);
	if (error != 0)
		return error;
	for (uint16_t queue = 0; queue < port->queue_count; queue++) {
		*step = "cannot set up a receive queue";
		error = rte_eth_rx_queue_setup(port->port_id, queue, receive,
		    (unsigned)(socket < 0 ? 0 : socket), NULL, config->pool);
		if (error != 0)
			return error;
		*step = "cannot set up a transmit queue";
		error = rte_eth_tx_queue_setup(
		    port->port_id, queue, transmit, (unsigned)(socket < 0 ? 0 : socket), NULL);
		if (error != 0)
			return error;
	}
	return 0;
}

static int device_start(struct port *port, const char **step)
{
	struct rte_ether_addr mac;
	int error;

	*step = "cannot start the device";
	error = rte_eth_dev_start(port->port_id);
	if (error != 0)
		return error;
	/* Devices without a switch for these are in that state anyhow. */
	*step = "cannot set promiscuous mode";
	error = rte_eth_promiscuous_enable(port->port_id);
	if (error != 0 && error != -ENOTSUP)
		goto stop;
	*step = "cannot set the link up";
	error = rte_eth_dev_set_link_up(port->port_id);
	if (error != 0 && error != -ENOTSUP)
		goto stop;
	*step = "cannot read the MAC address";
	error = rte_eth_macaddr_get(port->port_id, &mac);
	if (error != 0)
		goto stop;
	memcpy(port->self.mac, mac.addr_bytes, sizeof(port->self.mac));
	return 0;
stop:
	(void)rte_eth_dev_stop(port->port_id);
	return error;
}

int port_open(
    struct port **out, const struct port_config *config, char *message, size_t message_size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	const char *step = "no such device";
	struct rte_eth_dev_info info;
	struct port *port = calloc(1, sizeof(*port));
	int error;

	device_name(config, name, sizeof(name));
	if (port == NULL)
		return failed(config, name, "no memory", -ENOMEM, message, message_size);
	port->queue_count = config->queue_count == 0 ? 1 : config->queue_count;
	port->self.port_index = config->index;
	port->self.ipv4 = config->ipv4;
	port->self.udp_port_base = config->udp_port_base;
	port->self.udp_port_count = config->udp_port_count;
	error = rte_eth_dev_get_port_by_name(name, &port->port_id);
	if (error != 0)
		goto fail;
	step = "cannot read the device's limits";
	error = rte_eth_dev_info_get(port->port_id, &info);
	if (error != 0)
		goto fail;
	port->type = type_of(info.driver_name);
	if (port->queue_count > info.max_rx_queues || port->queue_count > info.max_tx_queues) {
		snprintf(message, message_size,
		    "port %u (%s): the device has %u receive and %u transmit queues, %u of each "
		    "are asked for; use fewer",
		    config->index, name, info.max_rx_queues, info.max_tx_queues, port->queue_count);
		free(port);
		return -EINVAL;
	}
	error = device_configure(port, config, &info, &step);
	if (error == 0)
		error = device_start(port, &step);
	if (error != 0)
		goto fail;
	*out = port;
	return 0;
fail:
	free(port);
	return failed(config, name, step, error, message, message_size);
}

void port_close(struct port *port)
{
	if (port == NULL)
		return;
	(void)rte_eth_dev_stop(port->port_id);
	(void)rte_eth_dev_close(port->port_id);
	free(port);
}

const char *port_type(const struct port *port)
{
	return port->type;
}

const uint8_t *port_mac(const struct port *port)
{
	return port->self.mac;
}

uint16_t port_queue_count(const struct port *port)
{
	return port->queue_count;
}

int port_link_up(const struct port *port)
{
	struct rte_eth_link link;

	memset(&link, 0, sizeof(link));
	return rte_eth_link_get_nowait(port->port_id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

int port_counters_read(const struct port *port, struct port_counters *counters)
{
	struct rte_eth_stats stats;
	int error = rte_eth_stats_get(port->port_id, &stats);

	if (error != 0)
		return error;
	*counters = (struct port_counters){
		.received = stats.ipackets,
		.sent = stats.opackets,
		.missed = stats.imissed,
		.no_buffer = stats.rx_nombuf,
		.errors = stats.ierrors + stats.oerrors,
	};
	return 0;
}

uint16_t port_receive(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t max)
{
	uint16_t count = rte_eth_rx_burst(port->port_id, queue, mbufs, max);

	for (uint16_t i = 0; i < count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	return count;
}

int port_classify(const struct port *port, struct rte_mbuf *mbuf, struct port_packet *packet)
{
	if (SLUICE_UNLIKELY(mbuf->nb_segs != 1))
		return DROP_BAD_IP_HEADER;
	return port_frame_classify(
	    &port->self, rte_pktmbuf_mtod(mbuf, uint8_t *), mbuf->data_len, packet);
}

uint8_t *port_payload(struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_mtod(mbuf, uint8_t *) + PORT_HEADROOM;
}

void port_build_udp(const struct port *port, struct rte_mbuf *mbuf, const struct wire_peer *peer,
    uint16_t payload_size)
{
	SLUICE_DEBUG_ASSERT(
	    PORT_HEADROOM + (uint32_t)payload_size <= mbuf->buf_len - (uint32_t)mbuf->data_off);
	mbuf->data_len = port_frame_build_udp(
	    &port->self, rte_pktmbuf_mtod(mbuf, uint8_t *), peer, payload_size);
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags = 0;
}

uint16_t port_transmit(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t sent = 0;

	for (unsigned tries = 0; sent < count && tries < TRANSMIT_TRIES;) {
		uint16_t taken =
		    rte_eth_tx_burst(port->port_id, queue, mbufs + sent, (uint16_t)(count - sent));

		sent = (uint16_t)(sent + taken);
		if (taken == 0) {
			tries++;
			rte_pause();
		}
	}
	return sent;
}
