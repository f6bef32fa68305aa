/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state_scripts.h"

#include <assert.h>
#include <stdio.h>

#include "base/buffer.h"
#include "redis/redis.h"
#include "redis/redis_name.h"

/* The scripts also run in a server without free memory: their data is small, and a refused lease would give wrong
 * answers. */
#define HEAD "#!lua flags=allow-oom\n"

static const char *const texts[STATE_SCRIPTS] = {
    [STATE_SCRIPT_BEAT] = HEAD
    "local key, news, clock_key = KEYS[1], KEYS[1] .. ':news', KEYS[1] .. ':clock' "
    "local id, place, lease, buried = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]) "
    "local known, passed, since = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]) "
    "local clock = tonumber(redis.call('GET', clock_key) or 0) "
    "if known > 0 then clock = math.max(clock, known + passed) end "
    "if clock == 0 then local time = redis.call('TIME') clock = time[1] * 1000 + math.floor(time[2] / 1000) end "
    "redis.call('SET', clock_key, string.format('%d', clock)) "
    "local last = tonumber(redis.call('ZRANGE', news, -1, -1, 'WITHSCORES')[2] or 0) "
    "local function tell(other) last = math.max(last + 1, clock) redis.call('ZADD', news, last, other) end "
    "local function bury(other) redis.call('ZREM', key, other) tell(other) end "
    "for _, other in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', clock)) do bury(other) end "
    "local was_alive = redis.call('ZSCORE', key, id) "
    "if lease == 0 then "
    "  if was_alive then bury(id) end "
    "  return {} "
    "end "
    "redis.call('ZADD', key, clock + lease, id) "
    "if not was_alive then "
    "  for _, other in ipairs(redis.call('ZRANGE', key, 0, -1)) do "
    "    if other ~= id and string.sub(other, 1, #place) == place then bury(other) end "
    "  end "
    "  for _, other in ipairs(redis.call('ZRANGEBYSCORE', news, '-inf', clock - buried)) do "
    "    if not redis.call('ZSCORE', key, other) then redis.call('ZREM', news, other) end "
    "  end "
    "  tell(id) "
    "end "
    "local all = not was_alive or since == 0 or since > last "
    "local answer = { was_alive and 1 or 0, clock, last, redis.call('ZCARD', key), all and 1 or 0 } "
    "local function add(other, alive) answer[#answer + 1] = other answer[#answer + 1] = alive end "
    "if all then "
    "  for _, other in ipairs(redis.call('ZRANGE', key, 0, -1)) do add(other, 1) end "
    "end "
    "for _, other in ipairs(redis.call('ZRANGEBYSCORE', news, all and '-inf' or '(' .. ARGV[7], '+inf')) do "
    "  local alive = redis.call('ZSCORE', key, other) "
    "  if not (all and alive) then add(other, alive and 1 or 0) end "
    "end "
    "return answer",

    [STATE_SCRIPT_CLAIM] = HEAD
    "local key, worker, now = KEYS[1], ARGV[1], tonumber(ARGV[5]) "
    "local connections, most, lease = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) "
    "local dead, elsewhere = {}, 0 "
    "local function hold(other, count) redis.call('HSET', key, other, count .. ' ' .. string.format('%d', now + "
    "lease)) end "
    "if now == 0 then local time = redis.call('TIME') now = time[1] * 1000 + math.floor(time[2] / 1000) end "
    "for i = 6, #ARGV do dead[ARGV[i]] = true end "
    "local all = redis.call('HGETALL', key) "
    "for i = 1, #all, 2 do "
    "  local count, ends = string.match(all[i + 1], '^(%d+) (%d+)$') "
    "  if not count or dead[all[i]] or tonumber(ends) <= now then redis.call('HDEL', key, all[i]) "
    "  elseif all[i] ~= worker then "
    "    elsewhere = elsewhere + tonumber(count) "
    "    if tonumber(ends) > now + lease then hold(all[i], count) end "
    "  end "
    "end "
    "if most > 0 and elsewhere + connections > most then return { 0, elsewhere } end "
    "if connections == 0 then redis.call('HDEL', key, worker) else hold(worker, connections) end "
    "redis.call('PEXPIRE', key, 10 * lease) "
    "return { 1, elsewhere }",
};

void state_scripts_init(struct state_scripts *scripts) {
    for (int i = 0; i < STATE_SCRIPTS; i++) redis_script_init(&scripts->all[i], slice_of(texts[i]));
}

/* Copies text into the words' own bytes. Callers pass ids and numbers, which fit. */
static struct slice keep(struct state_words *words, struct slice text) {
    assert(text.len <= sizeof words->bytes - words->used);
    char *at = words->bytes + words->used;
    memcpy(at, text.ptr, text.len);
    words->used += text.len;
    return (struct slice){at, text.len};
}

void state_words_workers_key(struct state_words *words) {
    words->key = SLICE("stoa:{workers}");
}

void state_words_user_key(struct state_words *words, struct slice user_id) {
    struct buffer key = {0};
    buffer_append_str(&key, "stoa:{u:");
    redis_name_append(&key, user_id);
    buffer_append_str(&key, "}:c");
    words->key = keep(words, buffer_slice(&key));
    buffer_done(&key);
}

void state_words_add(struct state_words *words, struct slice word) {
    if (words->len < STATE_WORDS_MAX) words->words[words->len++] = word;
}

void state_words_add_number(struct state_words *words, uint64_t number) {
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    state_words_add(words, keep(words, (struct slice){text, (size_t)len}));
}

void state_words_eval(struct state_words *words, struct redis *redis, struct redis_call *call,
                      const struct state_scripts *scripts, enum state_script script) {
    redis_eval(redis, call, &scripts->all[script], &words->key, 1, words->words, words->len);
}
