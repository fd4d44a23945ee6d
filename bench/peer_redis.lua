-- SPDX-License-Identifier: Apache-2.0
-- The bet of bench/compare for Redis, as one script: atomic, logged as one transaction.
-- ARGV: five random numbers: terminal, request, account, market, stake; and how many accounts.
-- Returns the code: 0 accepted, 1 market, 2 balance or limit.
local terminal = tonumber(ARGV[1]) % 650 + 1
local account = 'a:' .. tonumber(ARGV[3]) % tonumber(ARGV[6]) + 1
local market = 'm:' .. tonumber(ARGV[4]) % 1000 + 1
local stake = tonumber(ARGV[5]) % 901 + 100
local request = 'r:' .. terminal .. ':' .. ARGV[2]

local before = redis.call('GET', request)
if before then
	return before
end
local odds = redis.call('HMGET', market, 'open', 'odds')
if odds[1] ~= '1' or odds[2] ~= '2000' then
	redis.call('SET', request, '1')
	return '1'
end
local row = redis.call('HMGET', account, 'balance', 'staked', 'max')
if tonumber(row[1]) < stake or tonumber(row[2]) + stake > tonumber(row[3]) then
	redis.call('SET', request, '2')
	return '2'
end
local bet = redis.call('INCR', 'bet')
redis.call('HINCRBY', account, 'balance', -stake)
redis.call('HINCRBY', account, 'staked', stake)
redis.call('HSET', 'b:' .. bet, 'account', account, 'market', market, 'selection', 0, 'odds', 2000,
	'stake', stake, 'payout', stake * 2)
redis.call('RPUSH', 'l:' .. account, bet .. ':' .. -stake)
redis.call('RPUSH', 'l:stakes', bet .. ':' .. stake)
redis.call('SET', request, '0')
return '0'
