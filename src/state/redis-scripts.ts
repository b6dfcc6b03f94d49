import { slotLeaseMsMax } from './state-store.ts';

/**
 * The Lua scripts of the shared store, one for each call: the server runs each
 * atomically and by its own clock. All keys share one hash tag, so that they
 * are on one node of a cluster.
 */

const now = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * KEYS: record. ARGV: expected state or '', expected fence or '', 'take' or
 * 'keep', state, fingerprint, data, lease, keep (both in ms).
 * Returns {1 or 0, state, fence, fingerprint, data, lease left}; without a
 * record only the first.
 */
export const swapScript = `${now}
local old = redis.call('HMGET', KEYS[1], 's', 'f', 'p', 'd', 'l', 'm')
if old[6] and old[5] - now > tonumber(old[6]) then
  -- Written before the clock was set back.
  old[5] = now + old[6]
  redis.call('HSET', KEYS[1], 'l', string.format('%d', old[5]))
end
if (old[1] or '') ~= ARGV[1] or (old[2] or '') ~= ARGV[2] then
  if not old[1] then return {0} end
  return {0, old[1], old[2], old[3], old[4], string.format('%d', old[5] - now)}
end
local fence = tonumber(ARGV[2]) or 0
if ARGV[3] == 'take' then fence = math.max(now, fence + 1) end
fence = string.format('%d', fence)
local lease = string.format('%d', now + ARGV[7])
redis.call('HSET', KEYS[1], 's', ARGV[4], 'f', fence, 'p', ARGV[5], 'd', ARGV[6], 'l', lease, 'm', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return {1, ARGV[4], fence, ARGV[5], ARGV[6], ARGV[7]}
`;

/** Moments that are too far ahead were written before the server's clock was set back. */
const clamped = `
local function wholeAt(key, claim)
  local whole = tonumber(redis.call('GET', key) or 0)
  local latest = now + claim.periodMs
  if whole <= latest then return math.max(now, whole) end
  redis.call('SET', key, string.format('%.6f', latest), 'PX', math.ceil(claim.periodMs))
  return latest
end
local function clampCount(key, claim)
  if redis.call('PTTL', key) > claim.keepMs then redis.call('PEXPIRE', key, claim.keepMs) end
end
local function clampSlots(key)
  local latest = now + ${slotLeaseMsMax}
  local late = redis.call('ZRANGEBYSCORE', key, '(' .. latest, '+inf')
  for _, holder in ipairs(late) do redis.call('ZADD', key, latest, holder) end
end
`;

/**
 * KEYS: one a claim. ARGV[1]: the claims as JSON.
 * Returns {1 or 0, then remaining and reset in ms of each claim}.
 */
export const takeClaimsScript = `${now}${clamped}
local claims = cjson.decode(ARGV[1])
local function checked(key, claim)
  if claim.kind == 'rate' then
    local step = claim.periodMs / claim.quantity
    local whole = wholeAt(key, claim)
    local remaining = math.max(0, math.floor((now + claim.periodMs - whole) / step + 1e-6))
    if remaining >= claim.cost then return true, remaining, whole - now end
    return false, remaining, whole + claim.cost * step - now - claim.periodMs
  end
  if claim.kind == 'count' then
    clampCount(key, claim)
    local remaining = math.max(0, claim.quantity - tonumber(redis.call('GET', key) or 0))
    return remaining >= claim.cost, remaining, math.max(0, redis.call('PTTL', key))
  end
  clampSlots(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local remaining = math.max(0, claim.quantity - redis.call('ZCARD', key))
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  local fits = remaining > 0 or redis.call('ZSCORE', key, claim.holder) ~= false
  return fits, remaining, first and first - now or 0
end
local function take(key, claim)
  if claim.kind == 'rate' then
    local whole = wholeAt(key, claim)
    whole = whole + claim.cost * claim.periodMs / claim.quantity
    redis.call('SET', key, string.format('%.6f', whole), 'PX', math.ceil(whole - now))
  elseif claim.kind == 'count' then
    redis.call('INCRBY', key, claim.cost)
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, claim.keepMs) end
  else
    redis.call('ZADD', key, now + claim.leaseMs, claim.holder)
    if redis.call('PTTL', key) < claim.leaseMs then redis.call('PEXPIRE', key, claim.leaseMs) end
  end
end
local function states(taken)
  local result = {taken}
  for i, claim in ipairs(claims) do
    local _, remaining, reset = checked(KEYS[i], claim)
    result[2 * i] = remaining
    result[2 * i + 1] = math.ceil(reset)
  end
  return result
end
for i, claim in ipairs(claims) do
  if not checked(KEYS[i], claim) then return states(0) end
end
for i, claim in ipairs(claims) do take(KEYS[i], claim) end
return states(1)
`;

/** KEYS: one a claim. ARGV[1]: the claims as JSON. What has expired is left as it is. */
export const returnClaimsScript = `${now}
for i, claim in ipairs(cjson.decode(ARGV[1])) do
  local key = KEYS[i]
  local held = claim.kind ~= 'slot' and tonumber(redis.call('GET', key) or 0)
  if claim.kind == 'slot' then
    redis.call('ZREM', key, claim.holder)
  elseif claim.kind == 'count' and held > 0 then
    if held <= claim.cost then redis.call('DEL', key)
    else redis.call('DECRBY', key, claim.cost) end
  elseif claim.kind == 'rate' and held > now then
    local whole = held - claim.cost * claim.periodMs / claim.quantity
    if whole <= now then redis.call('DEL', key)
    else redis.call('SET', key, string.format('%.6f', whole), 'PX', math.ceil(whole - now)) end
  end
end
return 1
`;

/** KEYS: the gateways. ARGV: this one, for how many ms it counts as alive. Returns how many are alive. */
export const announceScript = `${now}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
-- Written before the clock was set back. Those that are alive announce themselves again soon.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. (now + math.max(60000, ARGV[2])), '+inf')
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
`;

/** KEYS: the gateways. ARGV: the one that stops. */
export const endAnnouncementScript = `return redis.call('ZREM', KEYS[1], ARGV[1])`;
