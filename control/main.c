/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-control: configuration, keys, terminals, commands, replication, metrics. Runs in the
 * foreground; SIGTERM and SIGINT stop it in order, SIGHUP reads the configuration again.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/control.h"
#include "control/log/log.h"
#include "control/process.h"

static const char usage[] =
    "usage: sluice-control [--config FILE] [--root DIR] [--check [--json]]\n"
    "\n"
    "Runs the control process in the foreground.\n"
    "\n"
    "  --config FILE  configuration (YAML; keys in control/config/README.md;\n"
    "                 default: ROOT/etc/sluice/control.yaml)\n"
    "  --root DIR     where etc/, var/ and run/ live (default: $SLUICE_ROOT, else build/sluice)\n"
    "  --check        check the configuration and end; --json: as one JSON object\n"
    "  --version, --help\n"
    "\n"
    "Signals: SIGTERM, SIGINT stop; SIGHUP reads the configuration again.\n"
    "exit status: 0 stopped in order, 1 refused, 2 usage, 3 something needed is missing\n";

struct options {
	const char *config, *root;
	int check, json;
};

/* -1 to go on, else the exit status. */
static int options_read(int count, char **arguments, struct options *options)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "root", required_argument, NULL, 'r' },
		{ "check", no_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'r':
			options->root = optarg;
			break;
		case 'k':
			options->check = 1;
			break;
		case 'j':
			options->json = 1;
			break;
		case 'v':
			puts("sluice-control " SLUICE_VERSION);
			return CONTROL_DONE;
		case 'h':
			fputs(usage, stdout);
			return CONTROL_DONE;
		default:
			fputs(usage, stderr);
			return CONTROL_USAGE;
		}
	}
	if (optind == count && (!options->json || options->check))
		return -1;
	fputs(usage, stderr);
	return CONTROL_USAGE;
}

static int paths_choose(struct control *control, const struct options *options)
{
	const char *root = options->root;
	char here[PATH_MAX];
	int length;

	if (root == NULL)
		root = getenv("SLUICE_ROOT");
	if (root == NULL)
		root = "build/sluice";
	if (root[0] == '/')
		length = snprintf(control->root, sizeof(control->root), "%s", root);
	else if (getcwd(here, sizeof(here)) == NULL)
		return CONTROL_UNREACHABLE;
	else
		length = snprintf(control->root, sizeof(control->root), "%s/%s", here, root);
	if (length < 0 || length >= 3900) {
		fprintf(
		    stderr, "sluice-control: the root path is too long; choose a shorter one.\n");
		return CONTROL_USAGE;
	}
	if (options->config == NULL)
		return control_path(control, "etc/sluice/control.yaml", control->config_path,
		           sizeof(control->config_path)) == 0
		           ? CONTROL_DONE
		           : CONTROL_USAGE;
	length =
	    snprintf(control->config_path, sizeof(control->config_path), "%s", options->config);
	return length > 0 && (size_t)length < sizeof(control->config_path) ? CONTROL_DONE
	                                                                   : CONTROL_USAGE;
}

static void check_print(const struct options *options, const char *problem)
{
	json_t *object;
	char *text;

	if (!options->json) {
		if (problem == NULL)
			puts("the configuration is good");
		return;
	}
	object = json_pack("{s:s, s:b, s:s?}", "schema", "control-check/1", "ok", problem == NULL,
	    "error", problem);
	text = json_dumps(object, JSON_COMPACT);
	puts(text != NULL ? text : "{}");
	free(text);
	json_decref(object);
}

static struct timespec seconds(uint64_t ms)
{
	return (struct timespec){ .tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000 };
}

/*
 * LMDB's file is mapped: where the disk cannot give a page back, reading it is a SIGBUS. What was
 * committed is safe with the next start; nothing can be said of it here but this.
 */
static void unreadable_end(int number)
{
	static const char words[] =
	    "sluice-control: a mapped file cannot be read (SIGBUS): the disk below "
	    "var/lib/sluice failed, or is full. Mend it, then start control again; if it goes on, "
	    "restore the newest backup.\n";

	(void)number;
	(void)!write(STDERR_FILENO, words, sizeof(words) - 1);
	_exit(CONTROL_UNREACHABLE);
}

/* Until SIGTERM or SIGINT, or the database is lost to this process. */
static int serve(struct control *control, const sigset_t *signals)
{
	uint64_t sample_ns = 0, metrics_ns = 0, renew_ns = 0;

	for (;;) {
		struct timespec wait = seconds(100);
		int number = sigtimedwait(signals, NULL, &wait);
		uint64_t now_ns = database_now_ns();

		if (number == SIGTERM || number == SIGINT)
			return CONTROL_DONE;
		if (database_trouble(control->database, NULL) == -ENOTRECOVERABLE)
			return CONTROL_UNREACHABLE;
		if (number == SIGHUP)
			control_reload_by_signal(control);
		if (now_ns - sample_ns >= 1000000000ull) {
			sample_ns = now_ns;
			monitor_sample(control);
			care_turn(control);
		}
		if (now_ns - metrics_ns >= process_metrics_interval_ns(control)) {
			metrics_ns = now_ns;
			process_metrics_write(control);
		}
		if (now_ns - renew_ns >= 3600000000000ull) {
			renew_ns = now_ns;
			process_server_renew(control);
		}
	}
}

static void lost_say(struct control *control)
{
	char message[640];

	snprintf(message, sizeof(message),
	    "control's database could not be written, and LMDB gives nothing back before it is "
	    "opened anew. Mend the disk below %.200s/var/lib/sluice/control, then start control "
	    "again: what was answered as done is there, of the last change look by `sluicectl "
	    "audit tail`.",
	    control->root);
	log_event(LOG_ERROR, "main", "database_lost", NULL, "%s", message);
	fprintf(stderr, "sluice-control: %s\n", message);
}

static int run(struct control *control)
{
	sigset_t signals;
	char message[512] = "";
	int status;

	/* Before any thread: all of them inherit the mask, so that only sigtimedwait sees these. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGBUS, unreadable_end);
	status = process_start(control, message, sizeof(message));
	if (status == CONTROL_DONE) {
		log_event(LOG_INFO, "main", "ready", NULL, "control of \"%s\" is ready under %s",
		    control->config.deployment, control->root);
		status = serve(control, &signals);
		if (status != CONTROL_DONE)
			lost_say(control);
	} else {
		log_event(LOG_ERROR, "main", "refused", NULL, "%s", message);
		fprintf(stderr, "sluice-control: %s\n", message);
	}
	process_stop(control);
	if (status == CONTROL_DONE)
		log_event(LOG_INFO, "main", "stopped", NULL, "stopped in order");
	return status;
}

int main(int count, char **arguments)
{
	static struct control control = { .lock_fd = -1 };
	struct options options = { 0 };
	struct rlimit none = { 0, 0 };
	char message[512] = "";
	int status = options_read(count, arguments, &options);
	int error;

	if (status >= 0)
		return status;
	status = paths_choose(&control, &options);
	if (status != CONTROL_DONE)
		return status;
	error = control_config_load(control.config_path, &control.config, message, sizeof(message));
	if (options.check)
		check_print(&options, error == 0 ? NULL : message);
	if (error != 0) {
		if (!options.check || !options.json)
			fprintf(stderr, "sluice-control: %s\n", message);
		return error == -ENOENT ? CONTROL_UNREACHABLE : CONTROL_REFUSED;
	}
	if (options.check)
		return CONTROL_DONE;
	/* Roots of sessions must not end up on a disk. */
	(void)setrlimit(RLIMIT_CORE, &none);
	return run(&control);
}
