/* SPDX-License-Identifier: Apache-2.0 */
#include "control/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/alerts/alerts.h"
#include "control/audit/audit.h"
#include "control/commands/commands.h"
#include "control/desk/desk.h"
#include "control/log/log.h"
#include "control/metrics/metrics.h"
#include "control/terminals/terminals.h"

int control_path(const struct control *control, const char *relative, char *out, size_t size)
{
	int length = snprintf(out, size, "%s/%s", control->root, relative);

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

void control_config_get(struct control *control, struct control_config *out)
{
	pthread_mutex_lock(&control->config_lock);
	*out = control->config;
	pthread_mutex_unlock(&control->config_lock);
}

/* ---- Settings that follow the configuration ---- */

static struct sessions_settings sessions_settings_of(const struct control_config *config)
{
	return (struct sessions_settings){
		.slots_max = config->terminals.sessions_max,
		.life_ns = config->keys.session_hours * 3600000000000ull,
		.epoch_ns = config->keys.epoch_minutes * 60000000000ull,
		.rate_per_s = config->terminals.session_rate_per_s,
		.rate_burst = config->terminals.session_burst,
	};
}

void control_settings_apply(struct control *control)
{
	struct sessions_settings settings;
	struct control_config config;
	int level;

	control_config_get(control, &config);
	level = log_level_parse(config.log.level);
	if (level >= 0)
		log_level_set((enum log_level)level);
	settings = sessions_settings_of(&config);
	sessions_settings_set(control->sessions, &settings);
	authority_config_set(control->authority, &config);
	key_server_reload(control->key_server, &config);
	ops_reload(control->ops, &config);
	alerts_follow_suppress(control->alerts, config.alerts.suppress_minutes);
}

/* ---- Start ---- */

static int directory_make(const char *path, mode_t mode, char *message, size_t message_size)
{
	char part[CONTROL_PATH_SIZE];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = part + 1;; slash++) {
		char kept = *slash;

		if (kept != '/' && kept != '\0')
			continue;
		*slash = '\0';
		if (mkdir(part, kept == '\0' ? mode : 0755) != 0 && errno != EEXIST)
			return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
			    "cannot make %.400s: %s; check the permissions, or choose another "
			    "--root",
			    part, strerror(errno));
		*slash = kept;
		if (kept == '\0')
			return CONTROL_DONE;
	}
}

static int directories_make(struct control *control, char *message, size_t message_size)
{
	static const struct {
		const char *path;
		mode_t mode;
	} parts[] = {
		{ "etc/sluice", 0755 },
		{ "run/sluice", 0755 },
		{ "var/lib/sluice/control", 0700 },
		{ "var/lib/sluice/node-exporter", 0755 },
		{ "var/log/sluice", 0755 },
	};
	char path[CONTROL_PATH_SIZE];
	int status = CONTROL_DONE;

	for (size_t i = 0; status == CONTROL_DONE && i < SLUICE_ARRAY_COUNT(parts); i++) {
		if (control_path(control, parts[i].path, path, sizeof(path)) != 0)
			return CONTROL_USAGE;
		status = directory_make(path, parts[i].mode, message, message_size);
	}
	return status;
}

static int instance_lock(struct control *control, char *message, size_t message_size)
{
	char path[CONTROL_PATH_SIZE], text[24];
	int length;

	if (control_path(control, "run/sluice/control.pid", path, sizeof(path)) != 0)
		return CONTROL_USAGE;
	control->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (control->lock_fd < 0 || flock(control->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    errno == EWOULDBLOCK ? "another control runs under this root (%.300s); stop it "
		                           "first, or choose another --root"
		                         : "%.300s cannot be locked; check the permissions",
		    path);
	length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(control->lock_fd, 0) != 0 ||
	    write(control->lock_fd, text, (size_t)length) != length)
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "%.300s cannot be written: %s; make room", path, strerror(errno));
	return CONTROL_DONE;
}

static void wake(void *context)
{
	struct control *control = context;

	link_wake(control->link);
}

/* On the alerts' thread: slices of screening, for a tenth of a second at most. */
static void screen(void *context)
{
	struct control *control = context;
	uint64_t begun_ns = database_now_ns(), now_ns = begun_ns;
	struct control_config config;
	int left = 1;

	control_config_get(control, &config);
	while (left > 0 && now_ns >= begun_ns && now_ns - begun_ns < 100000000u) {
		left = screen_turn(control->screen, config.alerts.name_similarity_permille);
		now_ns = database_now_ns();
	}
	if (left < 0)
		log_event(LOG_ERROR, "alerts", "screen_failed", NULL,
		    "names cannot be screened: %s; it is tried again", strerror(-left));
}

static uint64_t boot_id(void *context)
{
	struct control *control = context;
	struct link_report report;

	link_report(control->link, &report);
	return report.boot_id;
}

static int keys_start(struct control *control, char *message, size_t message_size)
{
	const struct key_server_config config = {
		.config = &control->config,
		.authority = control->authority,
		.database = control->database,
		.sessions = control->sessions,
		.wake = wake,
		.boot_id = boot_id,
		.context = control,
	};

	return key_server_start(&control->key_server, &config, message, message_size);
}

static int socket_start(struct control *control, char *message, size_t message_size)
{
	char path[CONTROL_PATH_SIZE];
	const struct ops_config config = {
		.path = path,
		.config = &control->config,
		.handlers = control_handlers(),
		.context = control,
		.database = control->database,
	};

	if (control_path(control, "run/sluice/control.sock", path, sizeof(path)) != 0)
		return -ENAMETOOLONG;
	return ops_start(&control->ops, &config, message, message_size);
}

static int parts_start(struct control *control, char *message, size_t message_size)
{
	struct sessions_settings settings = sessions_settings_of(&control->config);
	struct link_config link = {
		.root = control->root,
		.on_session = monitor_session,
		.context = control,
	};
	struct alerts_follow_config alerts = {
		.root = control->root,
		.suppress_minutes = control->config.alerts.suppress_minutes,
		.on_turn = screen,
		.context = control,
	};
	char path[CONTROL_PATH_SIZE];
	int error = control_path(control, "var/lib/sluice/control", path, sizeof(path));

	if (error == 0)
		error = database_open(
		    &control->database, path, control->config.deployment, message, message_size);
	if (error == 0)
		error = feedback_labels_take(control->database);
	if (error == 0)
		error = control_path(control, "var/lib/sluice/models", path, sizeof(path));
	if (error == 0)
		error = model_rows_take(control->database, path);
	if (error == 0)
		error = control_path(control, "etc/sluice/ca", path, sizeof(path));
	if (error == 0)
		error = authority_open(
		    &control->authority, path, &control->config, message, message_size);
	if (error == 0)
		error = sessions_create(&control->sessions, control->database, &settings);
	if (error == 0)
		error = replication_start(
		    &control->replication, &control->config, control->root, control->database);
	alerts.database = control->database;
	if (error == 0)
		error = watchlist_open(&control->watchlist, control->database);
	if (error == 0)
		error = screen_open(&control->screen, control->database, control->watchlist);
	if (error == 0)
		error = alerts_follow_start(&control->alerts, &alerts);
	link.database = control->database;
	link.sessions = control->sessions;
	care_begin(control);
	if (error == 0)
		error = link_start(&control->link, &link);
	if (error == 0)
		error = keys_start(control, message, message_size);
	if (error == 0)
		error = socket_start(control, message, message_size);
	return error;
}

int process_start(struct control *control, char *message, size_t message_size)
{
	int level = log_level_parse(control->config.log.level);
	int error, status;

	if (level >= 0)
		log_level_set((enum log_level)level);
	control->started_ns = database_now_ns();
	pthread_mutex_init(&control->config_lock, NULL);
	monitor_init(&control->monitor);
	status = directories_make(control, message, message_size);
	if (status == CONTROL_DONE)
		status = instance_lock(control, message, message_size);
	if (status != CONTROL_DONE)
		return status;
	error = parts_start(control, message, message_size);
	if (error == 0)
		return CONTROL_DONE;
	if (message[0] == '\0')
		snprintf(message, message_size, "control cannot start: %s", strerror(-error));
	return error == -EBADMSG || error == -EPROTO ? CONTROL_REFUSED : CONTROL_UNREACHABLE;
}

void process_stop(struct control *control)
{
	link_cancel(control->link); /* a verb that waits for the shards ends now */
	ops_stop(control->ops);
	key_server_stop(control->key_server);
	link_stop(control->link);
	commands_refusal_set(NULL);
	alerts_follow_stop(control->alerts);
	screen_close(control->screen);
	watchlist_close(control->watchlist);
	replication_stop(control->replication);
	sessions_free(control->sessions);
	authority_close(control->authority);
	database_close(control->database);
	monitor_free(&control->monitor);
	if (control->lock_fd >= 0)
		close(control->lock_fd);
}

/* ---- Regular duties ---- */

uint64_t process_metrics_interval_ns(struct control *control)
{
	struct control_config config;

	control_config_get(control, &config);
	return config.metrics.interval_ms * 1000000ull;
}

void process_metrics_write(struct control *control)
{
	struct sessions_counts sessions;
	struct key_server_counts keys = { 0 };
	struct replication_report replication;
	struct alerts_counts alerts;
	struct link_report link;
	struct metrics_sources sources = {
		.link = &link,
		.sessions = &sessions,
		.keys = &keys,
		.replication = &replication,
		.time_ns = database_now_ns(),
	};
	struct control_config config;
	char directory[CONTROL_PATH_SIZE];
	uint64_t counts[4] = { 0 }, oldest_ns;
	json_t *status = link_status(control->link), *histograms = link_histograms(control->link);
	char *text;
	int error;

	link_report(control->link, &link);
	sessions_counts(control->sessions, &sessions);
	key_server_counts(control->key_server, &keys);
	replication_report(control->replication, &replication);
	if (terminals_count(control->database, counts) != 0 ||
	    audit_count(control->database, &sources.audit_entries) != 0 ||
	    adjustments_waiting(control->database, &sources.adjustments_waiting, &oldest_ns) != 0 ||
	    commands_last(control->database, &sources.commands) != 0)
		log_event(LOG_WARNING, "main", "database_unread", NULL,
		    "control's database cannot be read; figures in the metrics are incomplete");
	if (alerts_counts(control->database, &alerts) == 0)
		sources.alerts = &alerts;
	for (unsigned i = 0; i < LIMIT_SCOPES; i++)
		sources.limits_near[i] =
		    atomic_load_explicit(&control->limits.near[i], memory_order_relaxed);
	sources.status = status;
	sources.histograms = histograms;
	sources.terminals = counts[CONTROL_TERMINAL_ACTIVE] + counts[CONTROL_TERMINAL_BLOCKED];
	sources.terminals_online = monitor_online(control);
	text = metrics_render(&sources);
	control_config_get(control, &config);
	error = config.metrics.directory[0] != '\0'
	            ? snprintf(directory, sizeof(directory), "%s", config.metrics.directory) < 0
	            : control_path(
	                  control, "var/lib/sluice/node-exporter", directory, sizeof(directory));
	if (text != NULL && error == 0)
		error = metrics_write(directory, text);
	if (text == NULL || error != 0)
		log_event(LOG_WARNING, "main", "metrics_failed", NULL,
		    "the metrics file in %.300s could not be written: %s", directory,
		    strerror(text == NULL ? ENOMEM : -error));
	free(text);
	json_decref(status);
	json_decref(histograms);
}

void process_server_renew(struct control *control)
{
	struct control_config config;
	int made =
	    authority_ready(control->authority) ? authority_server_renew(control->authority, 0) : 0;

	if (made == 0)
		return;
	if (made < 0) {
		log_event(LOG_ERROR, "main", "server_renew_failed", NULL,
		    "the key server's certificate could not be renewed: %s; it is tried again in "
		    "an "
		    "hour",
		    strerror(-made));
		return;
	}
	control_config_get(control, &config);
	key_server_reload(control->key_server, &config);
	log_event(LOG_INFO, "main", "server_renewed", NULL, "the key server has a new certificate");
}
