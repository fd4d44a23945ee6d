/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <errno.h>

#include "dataplane/port/port.h"

TEST(device_arguments_of_every_kind)
{
	static const struct {
		enum port_kind kind;
		unsigned index;
		const char *name;
		int result;
		const char *text;
	} cases[] = {
		{ PORT_AF_XDP, 0, "veth0", 0,
		    "net_af_xdp0,iface=veth0,start_queue=0,queue_count=1" },
		{ PORT_AF_PACKET, 1, "eth1", 0, "net_af_packet1,iface=eth1" },
		{ PORT_MEMIF, 0, "/run/s/memif.sock", 0,
		    "net_memif0,role=server,id=0,socket-abstract=no,socket=/run/s/memif.sock" },
		{ PORT_RING, 2, NULL, 0, "net_ring2" },
		{ PORT_NULL, 0, NULL, 0, "net_null0,no-rx=1" },
		{ PORT_PCI, 0, "0000:00:05.0", 0, "0000:00:05.0" },
		{ PORT_PCI, 0, "0000:00:05.0,arg=1", 0, "0000:00:05.0,arg=1" },
		{ PORT_PCI, 0, "", -EINVAL, NULL },
		{ PORT_AF_XDP, 0, NULL, -EINVAL, NULL },
		{ PORT_AF_XDP, 0, "eth0,xdp_prog=x", -EINVAL, NULL },
		{ PORT_MEMIF, 0, "", -EINVAL, NULL },
		{ (enum port_kind)99, 0, "x", -EINVAL, NULL },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char text[128] = "untouched";

		assert_case_equal(i,
		    port_device_string(
		        cases[i].kind, cases[i].index, cases[i].name, text, sizeof(text)),
		    cases[i].result);
		assert_string_equal(text, cases[i].text == NULL ? "untouched" : cases[i].text);
	}
}

TEST(a_short_buffer_is_refused_at_its_edge)
{
	char text[16] = "untouched";

	assert_int_equal(port_device_string(PORT_RING, 0, NULL, text, 9), -ENOSPC);
	assert_string_equal(text, "untouched");
	assert_int_equal(port_device_string(PORT_RING, 0, NULL, text, 10), 0);
	assert_string_equal(text, "net_ring0");
}

TEST(missing_things_are_named_with_a_remedy)
{
	char message[256] = "";

	assert_int_equal(port_device_check(PORT_NULL, NULL, message, sizeof(message)), 0);
	assert_string_equal(message, "");
	assert_int_equal(port_device_check(PORT_AF_XDP, "", message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "`interface`"));
	assert_int_equal(
	    port_device_check(PORT_PCI, "ffff:ff:1f.7", message, sizeof(message)), -ENODEV);
	assert_non_null(strstr(message, "dpdk-devbind.py"));
	assert_int_equal(
	    port_device_check(PORT_PCI, "../../net", message, sizeof(message)), -ENODEV);
	assert_int_equal(
	    port_device_check(PORT_MEMIF, "/no/such/place/m.sock", message, sizeof(message)),
	    -ENOENT);
	assert_non_null(strstr(message, "/no/such/place"));
	assert_int_equal(port_device_check(PORT_MEMIF, "/tmp/m.sock", message, sizeof(message)), 0);
}

TEST(an_unknown_interface_is_refused)
{
	static const char *const names[] = { "sluice-none0",
		"a-name-much-longer-than-any-interface" };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++) {
		char message[256] = "";
		int result = port_device_check(PORT_AF_PACKET, names[i], message, sizeof(message));

		assert_true(result == -ENODEV || result == -EPERM);
		assert_true(strlen(message) > 20);
	}
}

TEST_MAIN()
