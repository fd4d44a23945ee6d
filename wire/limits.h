/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every limit of the switch in one place. A limit is a promise to operators and terminals; where a
 * limit follows from another one, the relation is asserted.
 */
#ifndef SLUICE_WIRE_LIMITS_H
#define SLUICE_WIRE_LIMITS_H

/* Datagrams. 1,200 B pass every path without fragmentation (the figure QUIC settled on). */
#define LIMIT_DATAGRAM_SIZE_MIN     32
#define LIMIT_DATAGRAM_SIZE_MAX     1200
#define LIMIT_FRAME_HEADER_SIZE     16
#define LIMIT_FRAME_TAG_SIZE        16
#define LIMIT_PAYLOAD_SIZE_MAX      (LIMIT_DATAGRAM_SIZE_MAX - 32)
#define LIMIT_MESSAGES_PER_DATAGRAM 16
#define LIMIT_MESSAGE_SIZE_MIN      16
#define LIMIT_MESSAGE_SIZE_MAX      LIMIT_PAYLOAD_SIZE_MAX

/* Sessions: session id = slot (20 bits) | generation << 20 (12 bits). */
#define LIMIT_SESSION_SLOT_BITS     20
#define LIMIT_SESSION_SLOTS         (1u << LIMIT_SESSION_SLOT_BITS)
#define LIMIT_EPOCHS_HELD           3 /* previous, current, next */
#define LIMIT_REPLAY_WINDOW         256
#define LIMIT_PACKET_COUNTER_MAX    ((1ull << 56) - 1)
#define LIMIT_EPOCH_SEALED_MAX      (1ull << 28)
#define LIMIT_EPOCH_OPEN_FAILED_MAX (1ull << 20)

/* Requests. */
#define LIMIT_REQUEST_WINDOW         64
#define LIMIT_REQUEST_JUMP_MAX       65536
#define LIMIT_IN_FLIGHT_PER_TERMINAL 32
#define LIMIT_BET_LEGS_MAX           10
#define LIMIT_MARKET_SELECTIONS_MAX  16
#define LIMIT_MARKETS_PER_ANSWER     8
#define LIMIT_STAKE_MAX              1000000000000ll    /* 10^12 minor units */
#define LIMIT_BALANCE_MAX            1000000000000000ll /* 10^15 minor units */
#define LIMIT_PAYOUT_MAX             1000000000000000ll
#define LIMIT_ODDS_MIN               1001u              /* 1.001 */
#define LIMIT_ODDS_MAX               10000000u          /* 10,000.000 */
#define LIMIT_ACCOUNT_ID_MAX         ((1ull << 63) - 1) /* the top bit marks system accounts */
#define LIMIT_TERMINAL_ID_MAX        0xffffffffull
#define LIMIT_PARTNER_ID_MAX         65535u
#define LIMIT_STATEMENT_ROWS         14
#define LIMIT_LINKED_MAX             8 /* messages of a linked group */
#define LIMIT_SPRINKLE_SHARES_MAX    10000u
#define LIMIT_EVENTS_PER_ANSWER      16 /* rows of EVENT_QUERY */

/* Accounts that one command opens: well under a second, so that nothing waits for it. */
#define LIMIT_ACCOUNTS_PER_COMMAND 100000

/* Shards and buckets. */
#define LIMIT_BUCKET_BITS 10
#define LIMIT_BUCKETS     (1u << LIMIT_BUCKET_BITS)
#define LIMIT_SHARDS      64

/* Journal. */
#define LIMIT_JOURNAL_BLOCK_SIZE       4096u
#define LIMIT_JOURNAL_BATCH_SIZE_MAX   (128u * 1024u)
#define LIMIT_JOURNAL_BATCH_CLOSE_SIZE (16u * 1024u)
#define LIMIT_JOURNAL_DEPTH_MAX        8
#define LIMIT_JOURNAL_SEGMENT_SIZE_MIN (1u * 1024u * 1024u)
#define LIMIT_EVENT_SIZE_MAX           1536u
#define LIMIT_RULES_CURRENCIES_MAX     8u /* besides the rules' own */

/* Store. */
#define LIMIT_LOG_BLOCK_SIZE 65520u /* 16 whole LMDB overflow pages */
/* The journal's writes wait behind what a slice's commit has put into the device's queue. */
#define LIMIT_CHECKPOINT_SLICE_SIZE (512u * 1024u)

/* Worker loop. */
#define LIMIT_BURST 32
#define LIMIT_PORTS 4

_Static_assert(LIMIT_PAYLOAD_SIZE_MAX >= 16 * 72, "16 single bets must fit one datagram");
_Static_assert((LIMIT_REQUEST_WINDOW & (LIMIT_REQUEST_WINDOW - 1)) == 0, "window: power of two");
_Static_assert(LIMIT_IN_FLIGHT_PER_TERMINAL <= LIMIT_REQUEST_WINDOW / 2, "in flight fits window");
_Static_assert(LIMIT_JOURNAL_BATCH_SIZE_MAX % LIMIT_JOURNAL_BLOCK_SIZE == 0, "whole blocks");
_Static_assert(LIMIT_JOURNAL_SEGMENT_SIZE_MIN >= 2 * LIMIT_JOURNAL_BATCH_SIZE_MAX, "a batch fits");

#endif
