/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port on DPDK's null and ring devices: no root, no hugepages, no network. Exits 77 (skipped)
 * where EAL does not start.
 */
#include "tests/test.h"
#include "wire/limits.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <unistd.h>

#include "dataplane/port/port.h"

#define OURS   0x0a090001u
#define THEIRS 0x0a090002u

static struct rte_mempool *pool;

static struct port_config config_of(enum port_kind kind, uint16_t index)
{
	return (struct port_config){
		.kind = kind,
		.index = index,
		.ipv4 = OURS,
		.udp_port_base = 4700,
		.udp_port_count = 1,
		.descriptor_count = 100, /* no power of two: adapted */
		.pool = pool,
	};
}

TEST(null_port_opens_reports_and_closes)
{
	struct port_config config = config_of(PORT_NULL, 0);
	struct port_counters counters;
	struct rte_mbuf *mbufs[4];
	struct port *port = NULL;
	char message[256] = "";

	if (port_open(&port, &config, message, sizeof(message)) != 0)
		fail_msg("%s", message);
	assert_string_equal(port_type(port), "null");
	assert_int_equal(port_queue_count(port), 1);
	assert_int_equal(port_receive(port, 0, mbufs, 4), 0);
	assert_int_equal(port_link_up(port), 1);
	assert_int_equal(port_counters_read(port, &counters), 0);
	assert_int_equal(counters.received, 0);
	port_close(port);
	port_close(NULL);
}

TEST(missing_device_and_too_many_queues_are_refused_with_a_remedy)
{
	struct port_config config = config_of(PORT_AF_XDP, 7);
	struct port *port = NULL;
	char message[256] = "";

	assert_int_equal(port_open(&port, &config, message, sizeof(message)), -ENODEV);
	assert_null(port);
	assert_non_null(strstr(message, "net_af_xdp7"));
	config = config_of(PORT_RING, 0);
	config.queue_count = 999;
	assert_int_equal(port_open(&port, &config, message, sizeof(message)), -EINVAL);
	assert_null(port);
	assert_non_null(strstr(message, "use fewer"));
	config = config_of(PORT_PCI, 0);
	config.device = "0000:00:1f.7,arg=1";
	assert_int_equal(port_open(&port, &config, message, sizeof(message)), -ENODEV);
	assert_non_null(strstr(message, "0000:00:1f.7)"));
}

/* The ring device hands back what it sends: an answer of ours, readdressed, comes in as a request.
 */
TEST(frames_go_out_and_come_in_over_a_ring)
{
	struct port_config config = config_of(PORT_RING, 0);
	struct wire_peer to_us = { .ipv4 = OURS, .udp_port = 4700, .local_udp_port = 4700 };
	struct rte_mbuf *mbufs[LIMIT_BURST], *received[LIMIT_BURST];
	struct port_packet packet;
	struct port *port = NULL;
	char message[256] = "";

	if (port_open(&port, &config, message, sizeof(message)) != 0)
		fail_msg("%s", message);
	assert_string_equal(port_type(port), "ring");
	for (unsigned i = 0; i < LIMIT_BURST; i++) {
		uint8_t *frame;

		mbufs[i] = rte_pktmbuf_alloc(pool);
		assert_non_null(mbufs[i]);
		memset(port_payload(mbufs[i]), (int)i, 40 + i);
		mbufs[i]->ol_flags = RTE_MBUF_F_TX_IP_CKSUM;
		port_build_udp(port, mbufs[i], &to_us, (uint16_t)(40 + i));
		assert_int_equal(mbufs[i]->pkt_len, 82 + i);
		assert_int_equal(mbufs[i]->data_len, 82 + i);
		assert_true(mbufs[i]->ol_flags == 0);
		/* From THEIRS, or it would be refused as our own. */
		frame = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
		frame[29] = 2;
		frame[24] = frame[25] = 0;
		uint16_t sum = port_frame_checksum(frame + 14, 20);
		frame[24] = (uint8_t)(sum >> 8);
		frame[25] = (uint8_t)sum;
	}
	assert_int_equal(port_transmit(port, 0, mbufs, LIMIT_BURST), LIMIT_BURST);
	assert_int_equal(port_receive(port, 0, received, LIMIT_BURST), LIMIT_BURST);
	for (unsigned i = 0; i < LIMIT_BURST; i++) {
		assert_int_equal(port_classify(port, received[i], &packet), DROP_NONE);
		assert_int_equal(packet.size, 40 + i);
		assert_int_equal(packet.payload[39], i);
		assert_int_equal(packet.peer.ipv4, THEIRS);
		assert_memory_equal(packet.peer.mac, port_mac(port), 6);
		rte_pktmbuf_free(received[i]);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	port_close(port);
}

TEST(a_full_transmit_queue_gives_the_rest_back)
{
	struct port_config config = config_of(PORT_RING, 1);
	struct wire_peer peer = { .ipv4 = THEIRS, .udp_port = 1, .local_udp_port = 4700 };
	struct rte_mbuf *mbuf;
	struct port *port = NULL;
	char message[256] = "";
	unsigned sent = 0, back = 0;

	if (port_open(&port, &config, message, sizeof(message)) != 0)
		fail_msg("%s", message);
	for (unsigned i = 0; i < 2000 && back == 0; i++) {
		mbuf = rte_pktmbuf_alloc(pool);
		assert_non_null(mbuf);
		port_build_udp(port, mbuf, &peer, 40);
		if (port_transmit(port, 0, &mbuf, 1) == 1) {
			sent++;
		} else {
			back++;
			rte_pktmbuf_free(mbuf);
		}
	}
	assert_int_equal(back, 1);
	assert_in_range(sent, 1, 1999);
	while (port_receive(port, 0, &mbuf, 1) == 1)
		rte_pktmbuf_free(mbuf);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	port_close(port);
}

TEST(a_buffer_in_two_segments_is_dropped)
{
	struct port_config config = config_of(PORT_NULL, 1);
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *second = rte_pktmbuf_alloc(pool);
	struct port_packet packet;
	struct port *port = NULL;
	char message[256] = "";

	if (port_open(&port, &config, message, sizeof(message)) != 0)
		fail_msg("%s", message);
	assert_non_null(rte_pktmbuf_append(first, 64));
	assert_non_null(rte_pktmbuf_append(second, 64));
	assert_int_equal(rte_pktmbuf_chain(first, second), 0);
	assert_int_equal(port_classify(port, first, &packet), DROP_BAD_IP_HEADER);
	rte_pktmbuf_free(first);
	port_close(port);
}

struct test_registry test_registry;

static unsigned first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set))
			return cpu;
	}
	return 0;
}

int main(void)
{
	char text[][48] = { "test_port", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m64", "--log-level=*:error", "--vdev=net_null0,no-rx=1",
		"--vdev=net_null1,no-rx=1", "--vdev=net_ring0", "--vdev=net_ring1", "", "" };
	char *arguments[SLUICE_ARRAY_COUNT(text)], directory[256];
	int failed;

	snprintf(text[11], sizeof(text[11]), "--file-prefix=sluice-test-port-%ld", (long)getpid());
	snprintf(text[12], sizeof(text[12]), "-l%u", first_cpu());
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(text); i++)
		arguments[i] = text[i];
	if (rte_eal_init((int)SLUICE_ARRAY_COUNT(text), arguments) < 0) {
		printf("EAL does not start here: skipped\n");
		return 77;
	}
	pool = rte_pktmbuf_pool_create("test", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	if (pool == NULL) {
		printf("no memory for packet buffers: skipped\n");
		return 77;
	}
	failed =
	    _cmocka_run_group_tests(__FILE__, test_registry.tests, test_registry.count, NULL, NULL);
	rte_mempool_free(pool);
	snprintf(directory, sizeof(directory), "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	(void)rmdir(directory);
	return failed == 0 ? 0 : 1;
}
