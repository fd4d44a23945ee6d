/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a datagram was dropped without an answer. One table gives enum, name, text and counter; no
 * path drops a datagram without counting exactly one of these.
 */
#ifndef SLUICE_WIRE_DROP_H
#define SLUICE_WIRE_DROP_H

/* X(NAME, text) in the order of the checks, cheapest first. */
#define DROP_REASONS(X)                                                                            \
	X(NOT_IPV4, "neither ARP nor IPv4")                                                        \
	X(BAD_IP_HEADER, "IPv4 header malformed")                                                  \
	X(FRAGMENT, "IPv4 fragment")                                                               \
	X(NOT_OUR_ADDRESS, "another destination address")                                          \
	X(NOT_UDP, "neither UDP nor ICMP echo")                                                    \
	X(BAD_UDP_LENGTH, "UDP length does not fit the packet")                                    \
	X(NOT_OUR_PORT, "another UDP port")                                                        \
	X(TOO_SHORT, "shorter than 32 bytes")                                                      \
	X(TOO_LONG, "longer than 1,200 bytes")                                                     \
	X(NOT_MULTIPLE_OF_8, "length not a multiple of 8")                                         \
	X(WRONG_VERSION, "unknown wire version or kind")                                           \
	X(BAD_FLAGS, "reserved flag set or wrong direction")                                       \
	X(BAD_LANE, "packet number zero or in a lane terminals do not use")                        \
	X(UNKNOWN_SESSION, "no such session slot or generation")                                   \
	X(SESSION_EXPIRED, "session past its time")                                                \
	X(UNKNOWN_EPOCH, "key epoch not held")                                                     \
	X(REPLAYED, "packet number seen before or too old")                                        \
	X(SESSION_RATE, "session over its rate")                                                   \
	X(SOURCE_RATE, "source over its rate of failed tags")                                      \
	X(BAD_TAG, "authentication tag wrong")                                                     \
	X(BAD_FRAMING, "messages do not fill the datagram exactly")                                \
	X(TOO_MANY_MESSAGES, "more than 16 messages")                                              \
	X(HANDOVER_FULL, "ring to the home worker full")                                           \
	X(NO_BUFFER, "no packet buffer for the answer")                                            \
	X(TX_FULL, "transmit queue full")

enum drop_reason {
#define DROP_REASON_ENUM(name, text) DROP_##name,
	DROP_REASONS(DROP_REASON_ENUM)
#undef DROP_REASON_ENUM
	    DROP_REASON_COUNT,
	DROP_NONE = -1,
};

/* Lower-case name for metrics and JSON ("bad_tag"), and the text above; NULL when out of range. */
const char *drop_reason_name(enum drop_reason reason);
const char *drop_reason_text(enum drop_reason reason);

#endif
