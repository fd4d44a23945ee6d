/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tools/sluicectl/sluicectl.h"

#define ANSWER_SIZE_MAX (256u << 20)
#define TIMEOUT_S       60
#define TIMEOUT_SLOW_S  3600
#define WAIT_MS_DEFAULT 10000

int ctl_socket_path(const struct ctl_command *command, char *out, size_t size)
{
	const char *root = command->root != NULL ? command->root : getenv("SLUICE_ROOT");
	int length;

	if (root == NULL || root[0] == '\0')
		root = "build/sluice";
	if (command->socket != NULL)
		length = snprintf(out, size, "%s", command->socket);
	else
		length = snprintf(out, size, "%s%srun/sluice/control.sock", root,
		    root[strlen(root) - 1] == '/' ? "" : "/");
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

uint32_t ctl_timeout_s(const struct ctl_command *command)
{
	const struct verb_argument *wait = verb_argument_find(command->verb, "wait_ms");
	const json_t *given = json_object_get(command->arguments, "wait_ms");
	int64_t wait_ms = wait == NULL ? 0 : WAIT_MS_DEFAULT;

	if (command->timeout_s != 0)
		return command->timeout_s;
	if (command->verb->flags & VERB_SLOW)
		return TIMEOUT_SLOW_S;
	if (given != NULL)
		wait_ms = json_integer_value(given);
	return TIMEOUT_S + (uint32_t)(wait_ms / 1000);
}

static int64_t now_ms(void)
{
	struct timespec now;

	SLUICE_REQUIRE(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t until_ms)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = events };
		int64_t left = until_ms - now_ms();
		int ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);

		if (ready > 0)
			return 0;
		if (ready == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* The descriptor or -errno. Paths longer than a socket's name go through the folder's descriptor.
 */
static int socket_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *slash = strrchr(path, '/');
	char folder_path[4096];
	int folder = -1, fd = -1, result = -ENAMETOOLONG;

	if (strlen(path) < sizeof(address.sun_path)) {
		memcpy(address.sun_path, path, strlen(path) + 1);
	} else {
		int length;

		if (slash == NULL || (size_t)(slash - path) + 2 > sizeof(folder_path))
			return -ENAMETOOLONG;
		snprintf(folder_path, sizeof(folder_path), "%.*s", (int)(slash - path) + 1, path);
		folder = open(folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (folder < 0)
			return -errno;
		length = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
		    folder, slash + 1);
		if (length < 0 || (size_t)length >= sizeof(address.sun_path))
			goto out;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	result =
	    fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ? -errno : fd;
out:
	if (folder >= 0)
		close(folder);
	if (result < 0 && fd >= 0)
		close(fd);
	return result;
}

/* A server that turns us away answers before it has read everything: -EPIPE is not the end. */
static int request_send(int fd, const json_t *request, int64_t until_ms)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t size, done = 0;
	int result = 0;

	if (text == NULL)
		return -ENOMEM;
	size = strlen(text);
	if (size > VERB_LINE_SIZE_MAX) {
		free(text);
		return -EMSGSIZE;
	}
	text[size++] = '\n'; /* in place of the terminator: the length is kept apart */
	while (done < size && result == 0) {
		ssize_t sent = send(fd, text + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0)
			done += (size_t)sent;
		else if (errno == EAGAIN)
			result = wait_for(fd, POLLOUT, until_ms);
		else if (errno != EINTR)
			result = -errno;
	}
	free(text);
	return result == -EPIPE || result == -ECONNRESET ? 0 : result;
}

/* One line; *text is to be freed. */
static int answer_receive(int fd, int64_t until_ms, char **text, size_t *size)
{
	size_t room = 65536, used = 0, searched = 0;
	char *buffer = malloc(room), *end = NULL;
	int result = buffer == NULL ? -ENOMEM : 0;

	while (result == 0) {
		ssize_t got;

		end = used > searched ? memchr(buffer + searched, '\n', used - searched) : NULL;
		if (end != NULL)
			break;
		searched = used;
		if (used == room) {
			char *larger = room >= ANSWER_SIZE_MAX ? NULL : realloc(buffer, room * 2);

			if (larger == NULL) {
				result = -EMSGSIZE;
				break;
			}
			buffer = larger;
			room *= 2;
		}
		result = wait_for(fd, POLLIN, until_ms);
		if (result != 0)
			break;
		got = recv(fd, buffer + used, room - used, MSG_DONTWAIT);
		if (got == 0)
			result = -ECONNRESET;
		else if (got > 0)
			used += (size_t)got;
		else if (errno != EAGAIN && errno != EINTR)
			result = -errno;
	}
	if (result != 0) {
		free(buffer);
		return result;
	}
	*text = buffer;
	*size = (size_t)(end - buffer);
	return 0;
}

enum ctl_status ctl_answer_read(const char *text, size_t size, json_t **result,
    char schema[VERB_NAME_SIZE_MAX], char *message, size_t message_size)
{
	json_error_t problem;
	json_t *answer = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
	const json_t *ok = json_object_get(answer, "ok");
	const char *name = json_string_value(json_object_get(answer, "schema"));
	json_t *body = json_object_get(answer, "result");
	const char *error = json_string_value(json_object_get(answer, "error"));
	json_int_t said = json_integer_value(json_object_get(answer, "status"));
	enum ctl_status status = CTL_UNREACHABLE;

	if (json_is_true(ok) && name != NULL && json_is_object(body)) {
		snprintf(schema, VERB_NAME_SIZE_MAX, "%.60s", name);
		*result = json_incref(body);
		status = CTL_DONE;
	} else if (json_is_false(ok) && error != NULL) {
		snprintf(message, message_size, "%s", error);
		status = said == CTL_USAGE         ? CTL_USAGE
		         : said == CTL_UNREACHABLE ? CTL_UNREACHABLE
		                                   : CTL_REFUSED;
	} else {
		snprintf(message, message_size,
		    "sluice-control's answer is not of the form expected. sluicectl and "
		    "sluice-control should be of one version.");
	}
	json_decref(answer);
	return status;
}

static void explain(const char *path, int error, int connected, uint32_t timeout_s, char *message,
    size_t message_size)
{
	if (!connected)
		snprintf(message, message_size,
		    "sluice-control does not answer at %s: %s. Start it with this root, or give "
		    "the "
		    "right one with --root DIR.",
		    path, strerror(-error));
	else if (error == -ETIMEDOUT)
		snprintf(message, message_size,
		    "No answer within %u s. A change may still be made: look at `sluicectl audit "
		    "tail` before you repeat it. --timeout S waits longer.",
		    timeout_s);
	else if (error == -EMSGSIZE)
		snprintf(message, message_size,
		    "Request or answer is too large. Split the file, or ask for fewer rows.");
	else if (error == -ECONNRESET)
		snprintf(message, message_size,
		    "sluice-control ended the connection without an answer. A change may still be "
		    "made: look at `sluicectl audit tail` before you repeat it.");
	else
		snprintf(message, message_size, "The connection to %s broke: %s.", path,
		    strerror(-error));
}

enum ctl_status ctl_call(const char *path, const json_t *request, uint32_t timeout_s,
    json_t **result, char schema[VERB_NAME_SIZE_MAX], char *message, size_t message_size)
{
	int64_t until_ms = now_ms() + (int64_t)timeout_s * 1000;
	enum ctl_status status = CTL_UNREACHABLE;
	char *text = NULL;
	size_t size = 0;
	int fd = socket_connect(path), error = fd;

	if (fd >= 0)
		error = request_send(fd, request, until_ms);
	if (error == 0)
		error = answer_receive(fd, until_ms, &text, &size);
	if (error == 0)
		status = ctl_answer_read(text, size, result, schema, message, message_size);
	else
		explain(path, error, fd >= 0, timeout_s, message, message_size);
	free(text);
	if (fd >= 0)
		close(fd);
	return status;
}
