/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-dataplane: the switch itself. Runs in the foreground; stops in order on SIGTERM, SIGINT or
 * the admin command "stop".
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/switch.h"
#include "lmdb-schema/db.h"

static const char usage[] =
    "usage: sluice-dataplane --config FILE [--root DIR] [--check [--json]]\n"
    "\n"
    "Runs the transaction switch in the foreground.\n"
    "\n"
    "  --config FILE  configuration (YAML; keys in dataplane/README.md)\n"
    "  --root DIR     where etc/, var/ and run/ live (default: the configuration's root,\n"
    "                 else $SLUICE_ROOT, else build/sluice)\n"
    "  --accept-clock a clock behind the last event is meant: go on from the last event's time\n"
    "  --new-ticket-key\n"
    "                 where data is and the key of its tickets is not: make a new one; tickets\n"
    "                 sold before can be redeemed no more\n"
    "  --check        check the configuration and end; --json: as one JSON object\n"
    "  --version, --help\n"
    "\n"
    "exit status: 0 stopped in order, 1 refused, 2 usage, 3 something needed is missing\n";

struct options {
	const char *config, *root;
	int check, json, accept_clock, new_ticket_key;
};

static struct switch_process *signalled;

static void on_signal(int number)
{
	(void)number;
	/* W2; lock-free, so safe in a handler */
	atomic_store_explicit(&signalled->shared.stop, 1, memory_order_release);
}

/* -1 to go on, else the exit status. */
static int options_read(int count, char **arguments, struct options *options)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "root", required_argument, NULL, 'r' },
		{ "check", no_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "accept-clock", no_argument, NULL, 'a' },
		{ "new-ticket-key", no_argument, NULL, 'n' },
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
		case 'a':
			options->accept_clock = 1;
			break;
		case 'n':
			options->new_ticket_key = 1;
			break;
		case 'j':
			options->json = 1;
			break;
		case 'v':
			puts("sluice-dataplane " SLUICE_VERSION);
			return EXIT_DONE;
		case 'h':
			fputs(usage, stdout);
			return EXIT_DONE;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (options->config == NULL || optind != count) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return -1;
}

/*
 * LMDB's files are mapped: where the disk cannot give a page back, or the file is shorter than its
 * pages, reading it is a SIGBUS, or an assertion of LMDB's. Nothing can be said of it here but
 * this; what was acknowledged is in the journal. One line of the log, as log.c writes them; only
 * what is safe in a handler.
 */
static void unreadable_end(void)
{
	static const char words[] =
	    "{\"level\": \"error\", \"component\": \"dataplane\", \"event\": \"unreadable\", "
	    "\"message\": \"a mapped file (data.mdb of rows, log-* or history below "
	    "var/lib/sluice) cannot be read: the disk failed or is full, or the file was "
	    "cut short. Look at the disk, run sluice-db verify, then start again; if it goes on, "
	    "restore the newest backup (sluice-db backup restore)\"}\n";

	(void)!write(STDERR_FILENO, words, sizeof(words) - 1);
	_exit(EXIT_UNREACHABLE);
}

static void on_bus_error(int number)
{
	(void)number;
	unreadable_end();
}

static int root_choose(struct switch_process *process, const char *option)
{
	const char *root = option;
	char absolute[PATH_MAX];

	if (root == NULL)
		root = process->config->root;
	if (root == NULL)
		root = getenv("SLUICE_ROOT");
	if (root == NULL)
		root = "build/sluice";
	if (root[0] == '/') {
		snprintf(absolute, sizeof(absolute), "%s", root);
	} else if (getcwd(absolute, sizeof(absolute)) == NULL ||
	           strlen(absolute) + strlen(root) + 2 > sizeof(absolute)) {
		return EXIT_UNREACHABLE;
	} else {
		strncat(absolute, "/", sizeof(absolute) - strlen(absolute) - 1);
		strncat(absolute, root, sizeof(absolute) - strlen(absolute) - 1);
	}
	if (strlen(absolute) >= 3900) {
		snprintf(process->message, sizeof(process->message), "the root path is too long");
		return EXIT_USAGE;
	}
	snprintf(process->root, sizeof(process->root), "%s", absolute);
	return 0;
}

static uint64_t clock_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int shared_prepare(struct switch_process *process)
{
	struct switch_shared *shared = &process->shared;

	shared->shard_count = process->config->shards;
	shared->slots_max = process->config->capacity.sessions + 1;
	if (shared->slots_max > LIMIT_SESSION_SLOTS)
		shared->slots_max = LIMIT_SESSION_SLOTS;
	shared->polling =
	    process->config->polling == CONFIG_POLLING_BUSY ? POLLING_BUSY : POLLING_ADAPTIVE;
	shared->budget_percent = process->config->worker_budget_percent;
	ids_bucket_map_default(&shared->buckets, shared->shard_count);
	shared->slot_home = malloc(shared->slots_max * sizeof(*shared->slot_home));
	if (shared->slot_home == NULL)
		return EXIT_UNREACHABLE;
	for (uint32_t i = 0; i < shared->slots_max; i++)
		atomic_init(&shared->slot_home[i], 0xff);
	return 0;
}

static void placement_warn(const struct switch_process *process)
{
	if (process->journal_interrupt_cpu < 0)
		return;
	for (uint32_t i = 0; i < process->config->shards; i++)
		if (process->shared.polling == POLLING_BUSY &&
		    process->config->lcores.workers[i] == (uint32_t)process->journal_interrupt_cpu)
			log_line(LOG_LEVEL_WARNING, "placement",
			    "worker %u spins on CPU %d, which takes the journal device's "
			    "interrupt: "
			    "every write may wait 4 ms; choose another CPU in lcores.workers",
			    i, process->journal_interrupt_cpu);
}

/*
 * A failed journal write is never retried in place: what the device holds there is known only after
 * recovery has read it. So the process ends, and its supervisor starts it again.
 */
static int journal_health(struct switch_process *process)
{
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		uint64_t error = stats_get(&process->workers[i]->stats.journal_error);

		if (error == 0)
			continue;
		/* W2: before stop */
		atomic_store_explicit(&process->shared.failed, 1, memory_order_relaxed);
		snprintf(process->message, sizeof(process->message),
		    "shard %u: a journal write failed (%s); nothing unacknowledged was answered. "
		    "Check "
		    "the disk and start again: recovery decides what was kept",
		    i, strerror((int)error));
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

/* The model of the rules that were recovered. Without it the switch serves: rules score alone. */
static void model_begin(struct switch_process *process, const char *models)
{
	const struct risk_rules_extra *extra = &ledger_shard(process->workers[0]->ledger)->extra;
	int error;

	if (extra->model_state == RISK_MODEL_OFF)
		return;
	error = admin_model_load(&process->shared, models, extra->model_version);
	if (error != 0)
		log_line(LOG_LEVEL_WARNING, "model",
		    "model %u cannot be read from %s (%s): bets are scored without it. Load it "
		    "again "
		    "and set the rules anew",
		    extra->model_version, models, strerror(-error));
}

static int serve(struct switch_process *process)
{
	struct admin_context context = {
		.config = process->config,
		.shared = &process->shared,
		.workers = process->workers,
		.stores = process->stores,
		.background = process->background,
		.recovered_ns = process->recovered_ns,
		.started_ns = process->started_ns,
		.journal_interrupt_cpu = process->journal_interrupt_cpu,
	};
	char path[4400], models[4400];
	int status = EXIT_DONE;

	snprintf(path, sizeof(path), "%s/run/sluice/admin.sock", process->root);
	snprintf(models, sizeof(models), "%s/var/lib/sluice/models", process->root);
	context.models = models;
	model_begin(process, models);
	if (admin_create(
	        &process->admin, &context, path, process->message, sizeof(process->message)) != 0)
		return EXIT_UNREACHABLE;
	log_line(LOG_LEVEL_INFO, "ready",
	    "recovered in %" PRIu64 " ms; install sessions, then send \"open\" to %s",
	    process->recovered_ns / 1000000, path);
	/* W2 */
	while (atomic_load_explicit(&process->shared.stop, memory_order_acquire) == 0 &&
	       status == EXIT_DONE) {
		admin_work(process->admin, 50);
		status = journal_health(process);
		switch_background_health(process);
	}
	admin_work(process->admin, 0); /* the answer to "stop" */
	admin_close(process->admin);
	return status;
}

static int run(struct switch_process *process, const struct options *options, const char *program)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct rlimit files;
	int status = root_choose(process, options->root);
	int stopped;

	process->started_ns = clock_monotonic_ns();
	if (status == 0)
		status = switch_directories(process);
	if (status == 0)
		status = shared_prepare(process);
	if (status == 0)
		status = switch_ticket_key(process, options->new_ticket_key);
	if (status == 0)
		status = switch_eal(process, program);
	if (status != 0)
		return status;
	/* Two descriptors for each log environment kept. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* For all threads made from here on: a pause of microseconds must not become 50 longer. */
	(void)prctl(PR_SET_TIMERSLACK, 1000);
	process->accept_clock = options->accept_clock;
	signalled = process;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* A limit on file sizes is a write error like any other: answered STORAGE_UNAVAILABLE. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGBUS, on_bus_error);
	db_env_on_damage(unreadable_end);
	status = switch_recover(process);
	if (status == 0)
		status = switch_ports(process);
	if (status == 0)
		status = switch_threads(process);
	if (status == 0) {
		placement_warn(process);
		status = serve(process);
	}
	if (status != 0) {
		log_line(LOG_LEVEL_ERROR, "stopped", "%s", process->message);
		process->message[0] = '\0';
	}
	stopped = switch_stop(process);
	if (status == 0)
		log_line(stopped == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "stopped", "%s",
		    stopped == 0 ? "stopped in order" : process->message);
	process->message[0] = '\0';
	return status != 0 ? status : stopped;
}

/* `problem` NULL: the configuration is good. */
static void check_print(const struct options *options, const char *problem)
{
	json_t *object;
	char *text;

	if (!options->json) {
		if (problem == NULL)
			puts("the configuration is good");
		return;
	}
	object = json_pack("{s:s, s:b, s:s?}", "schema", "dataplane-check/1", "ok", problem == NULL,
	    "error", problem);
	text = json_dumps(object, JSON_COMPACT);
	puts(text != NULL ? text : "{}");
	free(text);
	json_decref(object);
}

int main(int count, char **arguments)
{
	static struct switch_process process;
	struct options options = { 0 };
	int status = options_read(count, arguments, &options);
	int error;

	if (status >= 0)
		return status;
	error =
	    config_load(options.config, &process.config, process.message, sizeof(process.message));
	if (options.check)
		check_print(&options, error == 0 ? NULL : process.message);
	if (error != 0) {
		if (!options.check || !options.json)
			fprintf(stderr, "sluice-dataplane: %s\n", process.message);
		return error == -ENOENT ? EXIT_UNREACHABLE : EXIT_REFUSED;
	}
	if (options.check) {
		config_free(process.config);
		return EXIT_DONE;
	}
	status = run(&process, &options, arguments[0]);
	if (process.message[0] != '\0')
		fprintf(stderr, "sluice-dataplane: %s\n", process.message);
	free((void *)(uintptr_t)process.shared.slot_home);
	config_free(process.config);
	return status;
}
