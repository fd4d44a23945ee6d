/* SPDX-License-Identifier: Apache-2.0 */
/* The reference terminal: options, the connection, one-shot commands and the demo. */
#ifndef SLUICE_TERMINAL_H
#define SLUICE_TERMINAL_H

#include <signal.h>
#include <stdint.h>

#include <jansson.h>

#include "wire/client/client.h"
#include "wire/client/counter_file.h"
#include "wire/client/session_file.h"
#include "wire/client/udp.h"
#include "wire/ticket.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
};

struct options {
	const char *switch_address, *session_file, *state_dir;
	const char *control_address, *identity, *deployment, *out;
	uint64_t silence_ns, spread_ns; /* before a silent switch makes us ask control again */
	uint64_t terminal_id;
	uint32_t session_id;
	uint16_t currency; /* ISO 4217 number; 0: not given */
	uint8_t json, exact, cash, reverse;
	uint32_t cashier, rows; /* rows: of a statement */
	uint64_t key[2];        /* partner's idempotency key, 0 none */
	enum wire_language language;
	uint64_t timeout_ns;
	unsigned in_flight, batch;
	/* demo */
	uint64_t account_first, account_count;
	int64_t deposit;
	uint64_t bets, seed, rate; /* rate: bets per second, 0: as fast as answers come */
	uint64_t duration_ns;      /* 0: by number of bets */
	int64_t stake_min, stake_max;
	const char *json_out, *ack_log;
	/* command and its arguments */
	char **arguments;
	int argument_count;
};

/* Text of --help. */
extern const char terminal_help[];

/*
 * Fills *options. EXIT_DONE to go on; -1 when --help or --version was served; EXIT_USAGE after a
 * message on standard error.
 */
int options_parse(int argc, char **argv, struct options *options);

/* The parsers of arguments: 0, or -1. No sign, no blanks, the whole text. */
int parse_u64(const char *text, uint64_t max, uint64_t *value);
/* "KRW" or "410". */
int parse_currency(const char *text, uint16_t *currency);
/* Decimal odds with a point, at most three digits behind it: "2.15" is 2150. */
int parse_odds(const char *text, uint32_t *odds);
/* Up to 32 hexadecimal digits. */
int parse_key(const char *text, uint64_t key[2]);
const char *currency_name(uint16_t currency); /* "KRW", or NULL */
/* The request of options->arguments, without id and deadline. 0, or -1: they do not fit. */
int request_parse(const struct options *options, struct wire_request *request);

/* What a connection went through; part of every JSON report. */
struct connection_counts {
	uint64_t tls_handshakes, sessions_replaced, certificates_renewed, keying_failures;
	uint64_t resets, silences;
};

struct keying;

/* A connection to the switch. Events go to `on_event` (set by the command) after the READY one. */
struct connection {
	const struct options *options;
	struct session_record session;
	struct counter_file *ids;
	struct client *client;
	struct client_udp udp;
	void (*on_event)(void *context, const struct client_event *event);
	void *context;
	struct wire_reply hello;
	struct connection_counts counts;
	enum exit_status ended;  /* not DONE: control will not have us any more */
	struct keying *keying;   /* NULL with a session file */
	char switch_address[32]; /* in use now */
};

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t stop_requested;

/* Opens everything and waits for HELLO's answer. EXIT_DONE, or the status after a message. */
int connection_open(struct connection *connection, const struct options *options);
void connection_close(struct connection *connection);
/* One turn of at most wait_ns. EXIT_DONE, or EXIT_UNREACHABLE or EXIT_REFUSED after a message. */
int connection_turn(struct connection *connection, uint64_t wait_ns);

/* Opens the socket to connection->switch_address in place of the one it has. Status as above. */
int connection_socket_open(struct connection *connection);

/* Runs options->arguments[0]; returns the exit status. */
int command_run(struct connection *connection, const struct options *options);
/* Checks the arguments of a command before anything is opened. EXIT_DONE or EXIT_USAGE. */
int command_check(const struct options *options);

/* `identity` and `renew`: the two commands that need no switch. */
int command_is_offline(const struct options *options);
/* Runs one of them; returns the exit status. */
int identity_run(const struct options *options);

int demo_run(struct connection *connection, const struct options *options);

/* JSON: 64-bit ids are strings, because they do not fit a signed integer. */
void report_set_id(json_t *object, const char *name, uint64_t id);
void report_set_int(json_t *object, const char *name, int64_t value);
/* The name of a template's rows in JSON, NULL: it has none. */
const char *report_rows_name(uint16_t template_id);
/* The rows of an answer in JSON, and as lines of text. */
json_t *report_rows(const struct wire_reply *reply);
void report_rows_text(const struct wire_reply *reply);

/* Adds the counts of a connection to `object`. */
void report_counts(json_t *object, const struct connection_counts *counts);
/* Adds the fields of an answer to `object`, but for its rows. */
void report_reply(json_t *object, const struct wire_reply *reply, enum wire_language language);
/* The same for a person, on standard output, but for its rows. */
void report_text(const struct wire_reply *reply, enum wire_language language);

#endif
