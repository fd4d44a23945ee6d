/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tools/sluice-terminal/terminal.h"

static void on_signal(int number)
{
	(void)number;
	stop_requested = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct connection connection;
	struct options options;
	int status = options_parse(argc, argv, &options);

	if (status != EXIT_DONE)
		return status < 0 ? EXIT_DONE : status;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (command_is_offline(&options))
		return identity_run(&options);
	status = connection_open(&connection, &options);
	if (status != EXIT_DONE)
		return status;
	if (strcmp(options.arguments[0], "demo") == 0)
		status = demo_run(&connection, &options);
	else
		status = command_run(&connection, &options);
	connection_close(&connection);
	return status;
}
