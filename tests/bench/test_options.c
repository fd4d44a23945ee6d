/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>

#include "bench/options.h"
#include "tests/test.h"

TEST(addresses)
{
	static const struct {
		const char *text;
		int result;
		uint32_t ipv4;
		uint16_t port;
	} cases[] = {
		{ "198.18.0.1:7400", 0, 0xc6120001, 7400 },
		{ "127.0.0.1:65535", 0, 0x7f000001, 65535 },
		{ "198.18.0.1", -EINVAL, 0, 0 },
		{ "198.18.0.1:", -EINVAL, 0, 0 },
		{ "198.18.0.1:0", -EINVAL, 0, 0 },
		{ "198.18.0.1:65536", -EINVAL, 0, 0 },
		{ "198.18.0.1:-1", -EINVAL, 0, 0 },
		{ "198.18.0.256:7400", -EINVAL, 0, 0 },
		{ "switch:7400", -EINVAL, 0, 0 },
		{ "198.018.000.001.000:7400", -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t ipv4 = 0;
		uint16_t port = 0;

		assert_case_equal(i, options_address(cases[i].text, &ipv4, &port), cases[i].result);
		assert_case_equal(i, ipv4, cases[i].ipv4);
		assert_case_equal(i, port, cases[i].port);
	}
}

TEST(market_lists)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "11:0:1850", 1 },
		{ "11:0:1850,12:1:2000", 2 },
		{ "11:0:1850,12:1:2000,13:2:1001,14:3:10000000", 4 },
		{ "1:0:1850,2:0:1850,3:0:1850,4:0:1850,5:0:1850", -EINVAL }, /* over the room */
		{ "", -EINVAL },
		{ "11:0", -EINVAL },
		{ "0:0:1850", -EINVAL },
		{ "11:16:1850", -EINVAL },
		{ "11:0:1000", -EINVAL },
		{ "11:0:1850,", -EINVAL },
		{ "11:0:1850;12:0:1850", -EINVAL },
		{ "-1:0:1850", -EINVAL },
	};
	struct bet_choice choices[4];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_case_equal(i, options_markets(cases[i].text, choices, 4), cases[i].result);
	assert_int_equal(options_markets("11:0:1850,12:1:2000", choices, 4), 2);
	assert_int_equal(choices[1].market_id, 12);
	assert_int_equal(choices[1].selection, 1);
	assert_int_equal(choices[1].odds, 2000);
}

#define NEEDED "--port", "udp", "--switch", "127.0.0.1:7400", "--sessions", "f"

TEST(command_lines)
{
	static const struct {
		const char *arguments[16];
		enum options_result result;
	} cases[] = {
		{ { NEEDED }, OPTIONS_RUN },
		{ { NEEDED, "--rate", "1000" }, OPTIONS_RUN },
		{ { NEEDED, "--messages-per-datagram", "16" }, OPTIONS_RUN },
		{ { "--port", "udp" }, OPTIONS_USAGE },
		{ { NEEDED, "--rate", "1000", "--in-flight", "5" }, OPTIONS_USAGE },
		{ { NEEDED, "--messages-per-datagram", "17" }, OPTIONS_USAGE },
		{ { NEEDED, "--messages-per-datagram", "8", "--in-flight", "7" }, OPTIONS_USAGE },
		{ { NEEDED, "--accounts", "0:10" }, OPTIONS_USAGE },
		{ { NEEDED, "--accounts", "1:-10" }, OPTIONS_USAGE },
		{ { NEEDED, "--stake", "5:4" }, OPTIONS_USAGE },
		{ { NEEDED, "--seconds", "ten" }, OPTIONS_USAGE },
		{ { NEEDED, "--requests", "1000" }, OPTIONS_RUN },
		{ { NEEDED, "--requests", "0" }, OPTIONS_USAGE },
		{ { NEEDED, "--admin", "s", "--settle", "11:3" }, OPTIONS_RUN },
		{ { NEEDED, "--settle", "11:3" }, OPTIONS_USAGE }, /* by whom? */
		{ { NEEDED, "--admin", "s", "--settle", "11" }, OPTIONS_USAGE },
		{ { NEEDED, "--admin", "s", "--settle", "11:17" }, OPTIONS_USAGE },
		{ { NEEDED, "--shed", "--rate", "1000" }, OPTIONS_RUN },
		{ { NEEDED, "--shed" }, OPTIONS_USAGE },            /* of the open loop */
		{ { NEEDED, "--flood", "forged" }, OPTIONS_USAGE }, /* no other source over udp */
		{ { NEEDED, "--flood", "rain" }, OPTIONS_USAGE },
		{ { NEEDED, "--workload", "mixed", "--zipf", "1.2", "--hot", "1000" },
		    OPTIONS_RUN },
		{ { NEEDED, "--workload", "mixed", "--deposits", "10" }, OPTIONS_USAGE },
		{ { NEEDED, "--workload", "busy" }, OPTIONS_USAGE },
		{ { NEEDED, "--zipf", "4.1" }, OPTIONS_USAGE },
		{ { NEEDED, "--zipf", "nan" }, OPTIONS_USAGE },
		{ { NEEDED, "--zipf", "-1" }, OPTIONS_USAGE },
		{ { NEEDED, "--hot", "1001" }, OPTIONS_USAGE },
		{ { NEEDED, "more" }, OPTIONS_USAGE },
		{ { NEEDED, "--nonsense" }, OPTIONS_USAGE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[18] = { strdup("sluice-bench") };
		struct bench_options options;
		int argc = 1;

		for (int j = 0; cases[i].arguments[j] != NULL; j++)
			argv[argc++] = strdup(cases[i].arguments[j]);
		optind = 0; /* glibc: begin anew */
		assert_case_equal(i, options_parse(&options, argc, argv), cases[i].result);
		while (argc > 0)
			free(argv[--argc]);
	}
}

TEST_MAIN()
