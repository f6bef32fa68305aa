#include "state/state_scripts.h"

#include <stdio.h>

#include "redis/script.h"

#define NOW "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) "

static const char *const texts[STATE_SCRIPTS] = {
    [STATE_SCRIPT_BEAT] = NOW
    "local key, id, place = KEYS[1], ARGV[1], ARGV[2] "
    "local lease, buried = tonumber(ARGV[3]), tonumber(ARGV[4]) "
    "local before = tonumber(redis.call('ZSCORE', key, id) or 0) "
    "for _, other in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. now, '+inf')) do "
    "  if other ~= id and string.sub(other, 1, #place) == place then redis.call('ZADD', key, now, other) end "
    "end "
    "redis.call('ZADD', key, now + lease, id) "
    "redis.call('ZREMRANGEBYSCORE', key, '-inf', now - buried) "
    "redis.call('PEXPIRE', key, buried) "
    "local answer = { before > now and 1 or 0 } "
    "local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') "
    "for i = 1, #all, 2 do "
    "  answer[#answer + 1] = all[i] "
    "  answer[#answer + 1] = tonumber(all[i + 1]) > now and 1 or 0 "
    "end "
    "return answer",

    [STATE_SCRIPT_CLAIM] = NOW
    "local key, worker = KEYS[1], ARGV[1] "
    "local connections, most, lease = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) "
    "local dead, elsewhere = {}, 0 "
    "for i = 5, #ARGV do dead[ARGV[i]] = true end "
    "local all = redis.call('HGETALL', key) "
    "for i = 1, #all, 2 do "
    "  local count, ends = string.match(all[i + 1], '^(%d+) (%d+)$') "
    "  if not count or dead[all[i]] or tonumber(ends) <= now then redis.call('HDEL', key, all[i]) "
    "  elseif all[i] ~= worker then elsewhere = elsewhere + tonumber(count) end "
    "end "
    "if most > 0 and elsewhere + connections > most then return { 0, elsewhere } end "
    "if connections == 0 then redis.call('HDEL', key, worker) "
    "else redis.call('HSET', key, worker, connections .. ' ' .. string.format('%d', now + lease)) end "
    "redis.call('PEXPIRE', key, lease) "
    "return { 1, elsewhere }",
};

void state_scripts_init(struct state_scripts *scripts) {
    for (int i = 0; i < STATE_SCRIPTS; i++) redis_script_init(&scripts->all[i], slice_of(texts[i]));
}

/* Copies text into the words' own bytes. Callers' texts are ids: they fit. */
static struct slice keep(struct state_words *words, struct slice text) {
    size_t left = sizeof words->bytes - words->used;
    if (text.len > left) text.len = left;
    char *at = words->bytes + words->used;
    memcpy(at, text.ptr, text.len);
    words->used += text.len;
    return (struct slice){at, text.len};
}

void state_words_workers_key(struct state_words *words) {
    words->key = SLICE("stoa:{workers}");
}

void state_words_user_key(struct state_words *words, struct slice user_id) {
    struct slice start = keep(words, SLICE("stoa:{u:"));
    struct slice id = keep(words, user_id), end = keep(words, SLICE("}:c"));
    words->key = (struct slice){start.ptr, start.len + id.len + end.len};
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
