-- SPDX-License-Identifier: Apache-2.0
-- Numbers that are unsigned 64 bits in Sluice (ids of bets, request ids) are stored as bigint, bit
-- for bit: sluice.unsigned() gives them as they are printed. Money: bigint, minor units. Times are
-- UTC, cut to microseconds; the raw events hold them in full.

create table sluice.deployment (
	one boolean primary key default true check (one),
	name text not null,
	shard_count smallint not null,
	buckets bytea not null,              -- shard of each of the 1,024 buckets
	created timestamptz not null default now()
);

-- Where replication is. Moved by the transaction that brings the rows. Shard -1: control's changes.
create table sluice.cursor (
	shard smallint primary key,
	incarnation bigint not null,
	lsn bigint not null,
	changed timestamptz not null default now()
);

-- Which log the events of a shard came from: from first_lsn until the next row's first_lsn.
create table sluice.incarnation (
	shard smallint not null,
	incarnation bigint not null,
	first_lsn bigint not null,
	begun timestamptz not null default now(),
	primary key (shard, incarnation)
);

create table sluice.event_type (type smallint primary key, name text not null);
insert into sluice.event_type values (1, 'account_open'), (2, 'deposit'), (3, 'place_bet'),
	(4, 'cancel_bet'), (5, 'market_set'), (6, 'rules_set'), (7, 'command_mark'), (8, 'tick'),
	(9, 'account_freeze'), (10, 'terminal_set');

-- One row per event. Wide columns first: no padding.
create table sluice.transactions (
	lsn bigint not null,
	time timestamptz not null,
	account bigint,
	terminal bigint,
	request bigint,
	amount bigint not null,              -- change of the balance; what was asked for if refused
	balance bigint not null,             -- of the account afterwards
	object bigint,                       -- bet, market or control sequence
	payout bigint,
	factor_bits integer not null,
	rule_version integer not null,
	cashier integer,
	shard smallint not null,
	type smallint not null,
	code smallint not null,              -- 0: carried out
	currency smallint,
	score smallint not null,
	flags smallint not null
) partition by range (time);

-- Bets that were accepted. Insert only; a cancellation is a row of bet_cancels.
create table sluice.bets (
	bet bigint not null,
	time timestamptz not null,
	lsn bigint not null,
	account bigint not null,
	terminal bigint not null,
	stake bigint not null,
	payout bigint not null,
	shard smallint not null,
	currency smallint not null,
	score smallint not null,
	legs smallint not null
) partition by range (time);

create table sluice.bet_legs (
	bet bigint not null,
	time timestamptz not null,           -- of the bet
	market bigint not null,
	odds integer not null,               -- 1/1000
	leg smallint not null,               -- from 0
	selection smallint not null
) partition by range (time);

create table sluice.bet_cancels (
	bet bigint primary key,
	time timestamptz not null,
	lsn bigint not null,
	amount bigint not null,
	terminal bigint not null,
	shard smallint not null,
	reason integer not null
);

-- The events themselves, byte for byte, in runs without gaps: what a switch is rebuilt from.
create table sluice.log_block (
	first_lsn bigint not null,
	last_lsn bigint not null,
	time timestamptz not null,           -- of the first event
	incarnation bigint not null,
	xxh3 bigint not null,                -- XXH3-64 of events, as in the log's own blocks
	shard smallint not null,
	events bytea not null
) partition by range (time);

-- What a restored switch left behind: runs of events above the point it was restored to.
create table sluice.log_superseded (
	first_lsn bigint not null,
	last_lsn bigint not null,
	time timestamptz not null,
	incarnation bigint not null,
	xxh3 bigint not null,
	shard smallint not null,
	events bytea not null,
	superseded_by bigint not null,       -- incarnation
	superseded_from bigint not null      -- first LSN that is not valid any more
);

create index on sluice.transactions using brin (lsn) with (autosummarize = on);
create index on sluice.bets using brin (lsn) with (autosummarize = on);
-- The low 54 bits of a bet's id count up with the shard's events; see sluice.bet_find.
create index on sluice.bets using brin ((bet & 18014398509481983))
	with (autosummarize = on, pages_per_range = 32);
create index on sluice.bet_legs using brin (time) with (autosummarize = on);
create index on sluice.log_block (shard, first_lsn);

create table sluice.accounts (
	id bigint primary key,
	balance bigint not null,
	lsn bigint not null,
	changed timestamptz not null,
	shard smallint not null,
	currency smallint not null,
	frozen boolean
) with (fillfactor = 60);

-- Control's tables. `detail` is JSON text as control wrote it.
create table sluice.terminals (
	id bigint primary key,
	version bigint not null,
	name text,
	location text,
	state smallint not null,             -- 1 active, 2 blocked, 3 revoked
	rights bigint not null,
	daily_max bigint not null,
	rate_per_s bigint not null,
	rate_burst bigint not null,
	certificate bytea,
	created timestamptz not null,
	changed timestamptz not null
);
create table sluice.certificates (
	sha256 bytea primary key,
	serial bytea not null,
	terminal bigint not null,
	state smallint not null,             -- 1 valid, 2 replaced, 3 revoked
	not_before timestamptz not null,
	not_after timestamptz not null,
	issued timestamptz not null,
	revoked timestamptz
);
create table sluice.markets (
	id bigint primary key,
	event bigint not null,
	version bigint not null,
	name text,
	state smallint not null,
	kind smallint not null,
	start_time timestamptz not null,
	selections text[] not null,
	odds bigint[] not null
);
create table sluice.rules (
	version bigint primary key,
	set timestamptz not null,
	currency integer not null,
	alert_score smallint not null,
	refuse_score smallint not null,
	record bytea not null                -- as control's database holds it
);
create table sluice.commands (
	sequence bigint primary key,
	state smallint not null,             -- 1 committed, 2 done, 3 refused
	committed timestamptz not null,
	done timestamptz,
	detail text
);
create table sluice.audit (
	sequence bigint primary key,
	time timestamptz not null,
	uid bigint,                          -- null: control itself
	previous bytea not null,
	hash bytea not null,
	detail text
);
-- Every change of control's tables in order, byte for byte: its database is rebuilt from these.
create table sluice.control_change (
	sequence bigint primary key,
	time_ns bigint not null,             -- Unix time
	table_number smallint not null,
	key bytea not null,
	value bytea                          -- null: the key was deleted
);

-- Blocks are full of zeros: LZ4 where the server has it, otherwise no compression (pglz is slow).
do $$
begin
	alter table sluice.log_block alter column events set compression lz4;
	alter table sluice.log_superseded alter column events set compression lz4;
exception when others then
	alter table sluice.log_block alter column events set storage external;
	alter table sluice.log_superseded alter column events set storage external;
end
$$;

create function sluice.unsigned(value bigint) returns numeric language sql immutable strict as $$
	select case when value < 0 then value + 18446744073709551616::numeric else value end
$$;

create function sluice.signed(printed numeric) returns bigint language sql immutable strict as $$
	select case when printed > 9223372036854775807 then printed - 18446744073709551616::numeric
		else printed end::bigint
$$;

-- Makes the partitions of `months` months from the month of `first` on; returns how many are new.
create function sluice.partitions_make(first timestamptz, months integer) returns integer
language plpgsql as $$
declare
	parent text;
	begins timestamp;
	name text;
	made integer := 0;
begin
	for i in 0 .. months - 1 loop
		begins := date_trunc('month', first at time zone 'UTC') + make_interval(months => i);
		foreach parent in array array['transactions', 'bets', 'bet_legs', 'log_block'] loop
			name := parent || to_char(begins, '_YYYY_MM');
			if to_regclass(format('sluice.%I', name)) is null then
				execute format('create table sluice.%I (like sluice.%I including all)',
					name, parent);
				execute format('alter table sluice.%I attach partition sluice.%I '
					'for values from (%L) to (%L)', parent, name,
					begins at time zone 'UTC',
					(begins + interval '1 month') at time zone 'UTC');
				made := made + 1;
			end if;
		end loop;
	end loop;
	return made;
end
$$;

create view sluice.bet_states as
	select sluice.unsigned(b.bet) as bet, b.time, b.shard, b.account, b.terminal, b.stake,
		b.payout, b.currency, b.score, b.legs, c.time as cancelled
	from sluice.bets b left join sluice.bet_cancels c on c.bet = b.bet;

-- One bet by its printed id, through the index.
create function sluice.bet_find(printed numeric) returns setof sluice.bet_states
language sql stable as $$
	select sluice.unsigned(b.bet), b.time, b.shard, b.account, b.terminal, b.stake, b.payout,
		b.currency, b.score, b.legs, c.time
	from sluice.bets b left join sluice.bet_cancels c on c.bet = b.bet
	where b.bet & 18014398509481983 = sluice.signed(printed) & 18014398509481983
		and b.bet = sluice.signed(printed)
$$;
