-- SPDX-License-Identifier: Apache-2.0
-- The bet of bench/compare for PostgreSQL: what a switch on top of it would have to do at least.
-- Fewer indexes than Sluice has (none by account or time), no audit chain, no risk score.
create table account (
	id bigint primary key,
	balance bigint not null,
	staked_today bigint not null default 0,
	stake_daily_max bigint not null
) with (fillfactor = 50);
create table market (
	id bigint primary key,
	is_open boolean not null,
	odds integer[] not null
);
create sequence bet_id cache 100;
create table bet (
	id bigint primary key,
	account bigint not null,
	market bigint not null,
	selection smallint not null,
	odds integer not null,
	stake bigint not null,
	payout bigint not null,
	placed_at timestamptz not null default now()
);
-- Idempotency: a request asked again gets the outcome it had.
create table request (
	terminal bigint not null,
	id bigint not null,
	code smallint not null,
	bet bigint not null,
	primary key (terminal, id)
);
-- Double entry: the account (0: stakes of open bets) and what it got.
create table line (
	account bigint not null,
	bet bigint not null,
	amount bigint not null
);

-- 0 accepted, 1 odds or market, 2 balance or limit. All in the transaction of the caller.
create function place_bet(
	a_terminal bigint, a_request bigint, a_account bigint, a_market bigint, a_selection smallint,
	a_odds integer, a_stake bigint) returns smallint language plpgsql as $$
declare
	v_bet bigint := nextval('bet_id');
	v_code smallint := 0;
begin
	insert into request values (a_terminal, a_request, 0, v_bet) on conflict do nothing;
	if not found then
		select code into v_code from request where terminal = a_terminal and id = a_request;
		return v_code;
	end if;
	perform 1 from market
		where id = a_market and is_open and odds[a_selection + 1] = a_odds;
	if not found then
		v_code := 1;
	else
		update account set balance = balance - a_stake, staked_today = staked_today + a_stake
			where id = a_account and balance >= a_stake
			and staked_today + a_stake <= stake_daily_max;
		if not found then
			v_code := 2;
		end if;
	end if;
	if v_code <> 0 then
		update request set code = v_code where terminal = a_terminal and id = a_request;
		return v_code;
	end if;
	insert into bet values (v_bet, a_account, a_market, a_selection, a_odds, a_stake,
		a_stake * a_odds / 1000);
	insert into line values (a_account, v_bet, -a_stake), (0, v_bet, a_stake);
	return 0;
end $$;

-- Many bets in one transaction: accounts in order, so that two of them cannot wait for each other.
create function place_bets(a_count integer, a_accounts integer) returns bigint language sql as $$
	select count(*) filter (where code = 0) from (
		select place_bet(terminal, request, account, market, 0::smallint, 2000, stake) as code
		from (
			select (random() * 649)::bigint + 1 as terminal,
				(random() * 9e18)::bigint as request,
				(random() * (a_accounts - 1))::bigint + 1 as account,
				(random() * 999)::bigint + 1 as market,
				(random() * 900)::bigint + 100 as stake
			from generate_series(1, a_count)
			order by 3
		) as drawn
	) as placed
$$;
