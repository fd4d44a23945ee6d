/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/control/link/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/test.h"
#include "wire/limits.h"

static void fake_listen(struct fake *fake)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char directory[220];
	int here = -1;

	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)unlink(fake->path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", fake->path);
	if (strlen(fake->path) >= sizeof(address.sun_path)) {
		/* As long as the link's test wants it: bound by its folder. */
		snprintf(directory, sizeof(directory), "%s/run/sluice", fake->folder);
		here = open(directory, O_PATH | O_CLOEXEC);
		snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/admin.sock",
		    here);
	}
	if (bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fake->listener, 4) != 0)
		abort();
	if (here >= 0)
		close(here);
}

/* ---- Answers; with the mutex held ---- */

static json_t *refusal(const char *kind, const char *error)
{
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", error);

	if (kind != NULL)
		json_object_set_new(answer, "kind", json_string(kind));
	return answer;
}

static json_t *recovery_answer(const struct fake *fake, unsigned shard)
{
	char incarnation[24];

	snprintf(
	    incarnation, sizeof(incarnation), "%llu", (unsigned long long)fake->incarnation[shard]);
	return json_pack(
	    "{s:I, s:s}", "base_lsn", (json_int_t)fake->base[shard], "incarnation", incarnation);
}

static json_t *status_answer(const struct fake *fake)
{
	json_t *shards = json_array();
	char boot_id[24];

	for (unsigned i = 0; i < FAKE_SHARDS; i++)
		json_array_append_new(shards,
		    json_pack("{s:i, s:I, s:I, s:o*}", "shard", (int)i, "control_sequence",
		        (json_int_t)fake->last[i], "durable_lsn", (json_int_t)fake->durable[i],
		        "recovery", fake->base[i] < 0 ? NULL : recovery_answer(fake, i)));
	snprintf(boot_id, sizeof(boot_id), "%llu", (unsigned long long)fake->boot_id);
	return json_pack(
	    "{s:b, s:s, s:i, s:o}", "ok", 1, "boot_id", boot_id, "epoch", 1, "shards", shards);
}

static uint64_t lowest(const struct fake *fake)
{
	uint64_t value = fake->last[0];

	for (unsigned i = 1; i < FAKE_SHARDS; i++)
		value = fake->last[i] < value ? fake->last[i] : value;
	return value;
}

static void die(struct fake *fake)
{
	fake->crashes++;
	fake->boot_id++;
	fake->opened = 0;
	memset(fake->sessions, 0, sizeof(fake->sessions));
}

/* NULL: crashed between two shards. */
static json_t *command_answer(struct fake *fake, const json_t *request)
{
	const char *type = json_string_value(json_object_get(request, "type"));
	json_int_t sequence = json_integer_value(json_object_get(request, "sequence"));
	json_int_t mark = json_integer_value(json_object_get(request, "mark"));
	unsigned crash_before = FAKE_SHARDS + 1;
	int already = 1, refused;

	if (type == NULL || strcmp(type, "malformed_me") == 0)
		return refusal("malformed", "this cannot be read");
	if (json_is_true(json_object_get(request, "dry_run")))
		return json_pack("{s:b, s:b}", "ok", 1, "dry_run", 1);
	fake->command_lines++;
	if (sequence < 1 || sequence >= (json_int_t)FAKE_COMMANDS_MAX)
		abort();
	if ((uint64_t)sequence > lowest(fake) + 1)
		return refusal("gap", "the command sequence has a gap");
	if (strcmp(type, "fail_me") == 0 && fake->fail_left > 0) {
		fake->fail_left--;
		return refusal("failed", "a table of the switch is full");
	}
	refused = strcmp(type, "refuse_me") == 0;
	if (test_random(&fake->seed) % 32 < fake->crash_in_32)
		crash_before = (unsigned)(test_random(&fake->seed) % (FAKE_SHARDS + 1));
	for (unsigned i = 0; i < FAKE_SHARDS; i++) {
		if (i == crash_before)
			break;
		if (fake->last[i] >= (uint64_t)sequence) {
			/* What a shard skips must be what it did under this number. */
			if (fake->what[i][sequence] != (refused ? 0 : mark))
				fake->violations++;
			continue;
		}
		if (fake->last[i] + 1 != (uint64_t)sequence)
			fake->violations++;
		fake->last[i] = (uint64_t)sequence;
		fake->what[i][sequence] = refused ? 0 : mark;
		already = 0;
	}
	if (crash_before <= FAKE_SHARDS) {
		die(fake);
		return NULL;
	}
	if (refused && !already)
		return refusal("refused", "there is no such account");
	return json_pack("{s:b, s:b}", "ok", 1, "already", already);
}

static json_t *install_answer(struct fake *fake, const json_t *request)
{
	uint32_t id = (uint32_t)json_integer_value(json_object_get(request, "session_id"));
	json_int_t terminal = json_integer_value(json_object_get(request, "terminal_id"));
	json_int_t epoch = json_integer_value(json_object_get(request, "epoch"));
	const char *key = json_string_value(json_object_get(request, "to_switch_key"));
	struct fake_session *session = &fake->sessions[id & (FAKE_SLOTS - 1)];

	if (key == NULL || strlen(key) != 64 || epoch < 1 || id >> LIMIT_SESSION_SLOT_BITS == 0)
		return refusal("malformed", "a field is out of range");
	if ((session->live && session->session_id != id) ||
	    (!session->live && session->ended_id >= id))
		return fake->kinds ? refusal("slot_live", "there is another one")
		                   : refusal(NULL, "the session slot is live under another "
		                                   "generation; end that session first");
	if (session->live && epoch < session->epoch)
		return refusal(NULL, "a field of the command is out of range");
	/* The same epoch under the same boot id must mean the same key. */
	if (session->live && epoch == session->epoch && strcmp(session->key, key) != 0)
		fake->violations++;
	session->session_id = id;
	session->terminal_id = (uint64_t)terminal;
	session->epoch = (uint16_t)epoch;
	session->live = 1;
	session->wants_rotation = 0;
	session->installs++;
	snprintf(session->key, sizeof(session->key), "%s", key);
	return json_pack("{s:b}", "ok", 1);
}

static json_t *end_answer(struct fake *fake, const json_t *request)
{
	uint32_t id = (uint32_t)json_integer_value(json_object_get(request, "session_id"));
	struct fake_session *session = &fake->sessions[id & (FAKE_SLOTS - 1)];

	session->end_terminal_id =
	    (uint64_t)json_integer_value(json_object_get(request, "terminal_id"));
	if (!session->live || session->session_id != id)
		return fake->kinds ? refusal("unknown_session", "there is none")
		                   : refusal(NULL, "no such session");
	session->live = 0;
	session->ended_id = id;
	return json_pack("{s:b}", "ok", 1);
}

static json_t *list_answer(const struct fake *fake, const json_t *request)
{
	json_int_t slot = json_integer_value(json_object_get(request, "from_slot"));
	json_t *list = json_array();

	/* Short pages, so that there is more than one. */
	for (; slot < (json_int_t)FAKE_SLOTS && json_array_size(list) < 3; slot++) {
		const struct fake_session *session = &fake->sessions[slot];

		if (session->live)
			json_array_append_new(list,
			    json_pack("{s:I, s:I, s:i, s:b}", "session_id",
			        (json_int_t)session->session_id, "terminal_id",
			        (json_int_t)session->terminal_id, "epoch", (int)session->epoch,
			        "wants_rotation", (int)session->wants_rotation));
	}
	return json_pack("{s:b, s:o, s:I}", "ok", 1, "sessions", list, "next_slot",
	    slot == (json_int_t)FAKE_SLOTS ? (json_int_t)0 : slot);
}

static json_t *answer_of(struct fake *fake, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "cmd"));

	if (strcmp(name, "status") == 0)
		return status_answer(fake);
	if (strcmp(name, "command") == 0)
		return command_answer(fake, request);
	if (strcmp(name, "session_install") == 0)
		return install_answer(fake, request);
	if (strcmp(name, "session_end") == 0)
		return end_answer(fake, request);
	if (strcmp(name, "sessions") == 0 && !fake->sessions_unsupported)
		return list_answer(fake, request);
	if (strcmp(name, "histograms") == 0)
		return json_pack("{s:b, s:[]}", "ok", 1, "shards");
	if (strcmp(name, "account_show") == 0) {
		fake->questions++;
		return json_pack("{s:b, s:b, s:O}", "ok", 1, "found", 1, "account_id",
		    json_object_get(request, "account_id"));
	}
	if (strcmp(name, "open") == 0) {
		fake->opens++;
		fake->opened = 1;
		fake->last_at_open = lowest(fake);
		fake->sessions_at_open = 0;
		for (unsigned i = 0; i < FAKE_SLOTS; i++)
			fake->sessions_at_open += fake->sessions[i].live;
		return json_pack("{s:b}", "ok", 1);
	}
	return refusal("malformed", "unknown command");
}

/* ---- The connection ---- */

/* One line. 0 when the connection is over. */
static int line_take(struct fake *fake, int fd, const char *line, size_t size)
{
	json_t *request = json_loadb(line, size, 0, NULL), *answer;
	size_t length, cut;
	char *text;
	int result = 0;

	if (request == NULL)
		abort();
	pthread_mutex_lock(&fake->mutex);
	answer = answer_of(fake, request);
	json_decref(request);
	text = answer == NULL ? NULL : json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (text != NULL) {
		length = strlen(text);
		text[length++] = '\n';
		cut = length;
		if (fake->crash_in_32 != 0 && test_random(&fake->seed) % 64 < fake->crash_in_32)
			cut = test_random(&fake->seed) % length; /* breaks off in the line */
		result = send(fd, text, cut, MSG_NOSIGNAL) == (ssize_t)length;
	}
	if (fake->crash_in_32 != 0 && test_random(&fake->seed) % 16 == 0) {
		pthread_mutex_unlock(&fake->mutex);
		usleep((useconds_t)(test_random(&fake->seed) % 2000)); /* late */
		pthread_mutex_lock(&fake->mutex);
	}
	pthread_mutex_unlock(&fake->mutex);
	free(text);
	return result;
}

static void client_serve(struct fake *fake, int fd)
{
	size_t used = 0, size = 1u << 20;
	char *buffer = malloc(size);

	for (;;) {
		ssize_t got = recv(fd, buffer + used, size - used, 0);
		char *end;

		if (got <= 0)
			break;
		used += (size_t)got;
		while ((end = memchr(buffer, '\n', used)) != NULL) {
			size_t length = (size_t)(end - buffer);

			if (!line_take(fake, fd, buffer, length))
				goto out;
			used -= length + 1;
			memmove(buffer, end + 1, used);
		}
	}
out:
	free(buffer);
}

static void *fake_run(void *argument)
{
	struct fake *fake = argument;

	for (;;) {
		int fd = accept(fake->listener, NULL, NULL);

		pthread_mutex_lock(&fake->mutex);
		fake->client = fd;
		if (fake->stop) {
			pthread_mutex_unlock(&fake->mutex);
			if (fd >= 0)
				close(fd);
			return NULL;
		}
		pthread_mutex_unlock(&fake->mutex);
		if (fd < 0)
			continue;
		client_serve(fake, fd);
		pthread_mutex_lock(&fake->mutex);
		fake->client = -1;
		close(fd);
		pthread_mutex_unlock(&fake->mutex);
	}
}

struct fake *fake_start(const char *folder, uint64_t seed)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	snprintf(fake->folder, sizeof(fake->folder), "%s", folder);
	snprintf(fake->path, sizeof(fake->path), "%s/run/sluice/admin.sock", folder);
	pthread_mutex_init(&fake->mutex, NULL);
	fake->seed = seed;
	fake->boot_id = 1000;
	memset(fake->base, 0xff, sizeof(fake->base));
	fake->client = -1;
	fake_listen(fake);
	if (pthread_create(&fake->thread, NULL, fake_run, fake) != 0)
		abort();
	return fake;
}

void fake_disconnect(struct fake *fake)
{
	pthread_mutex_lock(&fake->mutex);
	if (fake->client >= 0)
		(void)shutdown(fake->client, SHUT_RDWR);
	pthread_mutex_unlock(&fake->mutex);
}

void fake_reboot(struct fake *fake)
{
	pthread_mutex_lock(&fake->mutex);
	die(fake);
	if (fake->client >= 0)
		(void)shutdown(fake->client, SHUT_RDWR);
	pthread_mutex_unlock(&fake->mutex);
}

void fake_stop(struct fake *fake)
{
	pthread_mutex_lock(&fake->mutex);
	fake->stop = 1;
	if (fake->client >= 0)
		(void)shutdown(fake->client, SHUT_RDWR);
	(void)shutdown(fake->listener, SHUT_RDWR);
	pthread_mutex_unlock(&fake->mutex);
	pthread_join(fake->thread, NULL);
	close(fake->listener);
	(void)unlink(fake->path);
}

void fake_free(struct fake *fake)
{
	pthread_mutex_destroy(&fake->mutex);
	free(fake);
}
