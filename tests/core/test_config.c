/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/log.h"
#include "config/config.h"
#include "config/doubts.h"
#include "config/file.h"
#include "config/fingerprint.h"
#include "config/keys.h"
#include "config/value.h"

static struct value *table(void) {
    return value_new(VALUE_TABLE, NULL);
}

static void set(struct value *root, const char *key, struct value *leaf, unsigned line) {
    leaf->line = line;
    assert_true(value_set(root, key, &leaf, NULL));
}

static struct value *number(double n) {
    struct value *value = value_new(VALUE_NUMBER, NULL);
    value->number = n;
    return value;
}

static struct value *text(const char *str) {
    struct value *value = value_new(VALUE_TEXT, NULL);
    value->text = memory_copy(str, strlen(str));
    return value;
}

static struct value *boolean(bool truth) {
    struct value *value = value_new(VALUE_BOOLEAN, NULL);
    value->boolean = truth;
    return value;
}

static struct value *list(struct value *a, struct value *b) {
    struct value *value = table();
    if (a) value_add(value, &a);
    if (b) value_add(value, &b);
    return value;
}

static struct config *good(struct value *tree) {
    struct error error = {""};
    struct config *config = config_new("/etc/stoa/stoa.lua", &tree, &error);
    assert_string_equal(error.text, "");
    assert_non_null(config);
    assert_null(tree);
    return config;
}

static void refused(struct value *tree, const char *expected) {
    struct error error = {""};
    assert_null(config_new("/etc/stoa/stoa.lua", &tree, &error));
    assert_string_equal(error.text, expected);
}

static void refused_one(const char *key, struct value *leaf, const char *expected) {
    struct value *tree = table();
    set(tree, key, leaf, 7);
    refused(tree, expected);
}

static void an_empty_file_has_every_default(void **state) {
    struct config *config = good(table());
    assert_string_equal(config->listen.items[0], "127.0.0.1:3000");
    assert_int_equal(config->workers, 1);
    assert_int_equal(config->transports.len, 2);
    assert_string_equal(config->transports.items[1], "polling");
    assert_int_equal(config->limits.user_messages.count, 30);
    assert_int_equal(config->limits.user_messages.period_s, 60);
    assert_int_equal(config->limits.global_messages.count, 0);
    assert_null(config->tls.key);
    assert_int_equal(config->scripts.len, 0);
    config_unref(&config);
    assert_null(config);
}

static void what_is_set_replaces_the_default(void **state) {
    struct value *tree = table();
    set(tree, "ping_interval_ms", number(300), 1);
    set(tree, "origins", list(text("https://a.example"), text("self")), 2);
    set(tree, "limits.connections_per_user", boolean(false), 3);
    set(tree, "limits.uploads", list(number(2), number(9)), 4);
    set(tree, "auth.mode", text("jwt"), 5);
    set(tree, "auth.audience", text("chat"), 5);
    struct config *config = good(tree);
    assert_int_equal(config->ping_interval_ms, 300);
    assert_string_equal(config->origins.items[0], "https://a.example");
    assert_int_equal(config->limits.connections_per_user, 0);
    assert_int_equal(config->limits.uploads.count, 2);
    assert_int_equal(config->limits.uploads.period_s, 9);
    assert_string_equal(config->auth.mode, "jwt");
    config_unref(&config);
}

static void relative_paths_belong_to_the_files_folder(void **state) {
    struct value *tree = table();
    set(tree, "store.path", text("../var/./stoa.db"), 1);
    set(tree, "static_folder", text("/srv/pages"), 1);
    set(tree, "auth.mode", text("jwt"), 1);
    set(tree, "auth.jwks_file", text("../var/stoa.db"), 1);
    struct config *config = good(tree);
    char *folder = file_folder("/etc/stoa/stoa.lua");
    char *expected = file_resolve(folder, "../var/stoa.db");
    assert_string_equal(config->auth.jwks_file, expected);
    assert_string_equal(config->store.path, expected);
    assert_string_equal(config->static_folder, "/srv/pages");
    free(expected);
    free(folder);
    config_unref(&config);
    tree = table();
    set(tree, "store.path", text(":memory:"), 1);
    set(tree, "control", text(""), 1);
    config = good(tree);
    assert_string_equal(config->store.path, ":memory:");
    assert_string_equal(config->control, "");
    config_unref(&config);
}

static void mistakes_name_line_key_and_remedy(void **state) {
    refused_one("pingInterval_ms", number(1),
                "/etc/stoa/stoa.lua:7: pingInterval_ms: unknown key, did you mean \"ping_interval_ms\"?");
    refused_one("driver", text("sqlite"), "/etc/stoa/stoa.lua:7: driver: unknown key, did you mean \"store.driver\"?");
    refused_one("store.pth", text("x"), "/etc/stoa/stoa.lua:7: store.pth: unknown key, did you mean \"store.path\"?");
    refused_one("nope", number(1), "/etc/stoa/stoa.lua:7: nope: unknown key");
    refused_one("something_else", number(1), "/etc/stoa/stoa.lua:7: something_else: unknown key");
    refused_one("store", text("sqlite"), "/etc/stoa/stoa.lua:7: store: must be a table");
    refused_one("deflate", number(1), "/etc/stoa/stoa.lua:7: deflate: must be true or false");
    refused_one("listen", number(3000), "/etc/stoa/stoa.lua:7: listen: must be a text or a list of texts");
    refused_one("log_level", text("loud"),
                "/etc/stoa/stoa.lua:7: log_level: \"loud\" is none of: debug info warning error");
    refused_one("transports", list(text("websocket"), text("webtransport")),
                "/etc/stoa/stoa.lua:7: transports: \"webtransport\" is none of: websocket polling");
    refused_one("scripts", text("chat.lua"), "/etc/stoa/stoa.lua:7: scripts: must be a list of texts");
    refused_one("limits.uploads", number(3), "/etc/stoa/stoa.lua:7: limits.uploads: must be {count, seconds} or false");
    refused_one("limits.uploads", list(number(0), number(3)),
                "/etc/stoa/stoa.lua:7: limits.uploads: the count must be from 1 to 1000000000");
}

static void who_a_client_is_has_no_mode_by_accident(void **state) {
    static const char *const keys_of_modes[] = {"secret",    "algorithm", "public_key", "public_key_file",
                                                "jwks_file", "kid",       "issuer",     "audience"};
    for (size_t i = 0; i < sizeof keys_of_modes / sizeof *keys_of_modes; i++) {
        char key[64], expected[256];
        snprintf(key, sizeof key, "auth.%s", keys_of_modes[i]);
        snprintf(expected, sizeof expected,
                 "/etc/stoa/stoa.lua:7: auth.mode: is missing beside %s: say \"jwt\" or \"session\", or "
                 "\"development\", which believes everyone",
                 key);
        struct value *tree = table();
        set(tree, key, text("HS256"), 7);
        value_child(tree, "auth")->line = 7;
        refused(tree, expected);
    }
    refused_one("auth.mod", text("jwt"), "/etc/stoa/stoa.lua:7: auth.mod: unknown key, did you mean \"auth.mode\"?");
    refused_one("auth.isuer", text("x"),
                "/etc/stoa/stoa.lua:7: auth.isuer: unknown key, did you mean \"auth.issuer\"?");
    refused_one("auth.cookie", text("sid"), "/etc/stoa/stoa.lua:7: auth.cookie: unknown key");
    refused_one("auth", text("jwt"), "/etc/stoa/stoa.lua:7: auth: must be a table");
    struct config *config = good(table());
    assert_null(config->auth.mode);
    config_unref(&config);
}

static void numbers_out_of_range_are_refused(void **state) {
    refused_one("ping_timeout_ms", number(0), "/etc/stoa/stoa.lua:7: ping_timeout_ms: 0 is below 10");
    refused_one("ping_timeout_ms", number(-1), "/etc/stoa/stoa.lua:7: ping_timeout_ms: -1 is below 10");
    refused_one("ping_timeout_ms", number(3600001), "/etc/stoa/stoa.lua:7: ping_timeout_ms: 3600001 is above 3600000");
    refused_one("ping_timeout_ms", number(1e18),
                "/etc/stoa/stoa.lua:7: ping_timeout_ms: must be an integer from 10 to 3600000");
    refused_one("ping_timeout_ms", number(10.5),
                "/etc/stoa/stoa.lua:7: ping_timeout_ms: must be an integer from 10 to 3600000");
    refused_one("ping_timeout_ms", text("10s"),
                "/etc/stoa/stoa.lua:7: ping_timeout_ms: must be an integer from 10 to 3600000");
    refused_one("limits.connections", number(0), "/etc/stoa/stoa.lua:7: limits.connections: 0 is below 1");
}

static void what_this_build_cannot_do_is_said(void **state) {
    refused_one("redis.tls", table(),
                "/etc/stoa/stoa.lua:7: redis.tls: needs TLS to Redis (docs/redis.md has a way with stunnel): not in "
                "this build");
    refused_one("store.driver", text("mysql"),
                "/etc/stoa/stoa.lua:7: store.driver: \"mysql\" is none of: sqlite postgres");
    refused_one("workers", text("auto"), "/etc/stoa/stoa.lua:7: workers: more than one worker needs redis.nodes");
    refused_one("workers", number(2), "/etc/stoa/stoa.lua:7: workers: more than one worker needs redis.nodes");
    refused_one("tls.key", text("key.pem"), "/etc/stoa/stoa.lua:7: tls.key: tls needs both, certificate and key");
}

static struct value *shard(const char *write, struct value *read) {
    struct value *shard = table();
    if (write) set(shard, "write", text(write), 9);
    if (read) set(shard, "read", read, 10);
    return shard;
}

static struct value *replica(const char *conninfo, struct value *purposes) {
    struct value *replica = table();
    if (conninfo) set(replica, "conninfo", text(conninfo), 11);
    if (purposes) set(replica, "purposes", purposes, 12);
    return replica;
}

static void refused_replica(struct value *replica, const char *complaint) {
    refused_one("postgres.shards", list(shard("host=b", list(replica, NULL)), NULL), complaint);
}

static void shards_name_their_primary_and_replicas(void **state) {
    struct value *tree = table();
    set(tree, "store.driver", text("postgres"), 3);
    set(tree, "postgres.global", text("host=a"), 4);
    set(tree, "postgres.shards",
        list(shard("host=b", list(text("host=c"), replica("host=d", list(text("history"), text("sync"))))),
             shard("host=e", NULL)),
        5);
    set(tree, "postgres.pool.write", number(8), 6);
    struct config *config = good(tree);
    assert_int_equal(config->postgres.shards.len, 2);
    assert_string_equal(config->postgres.shards.items[0].write, "host=b");
    assert_int_equal(config->postgres.shards.items[0].read_len, 2);
    const struct config_replica *read = config->postgres.shards.items[0].read;
    assert_string_equal(read[0].conninfo, "host=c");
    assert_int_equal(read[0].purposes.len, 0);
    assert_string_equal(read[1].conninfo, "host=d");
    assert_int_equal(read[1].purposes.len, 2);
    assert_string_equal(read[1].purposes.items[1], "sync");
    assert_int_equal(config->postgres.shards.items[1].read_len, 0);
    assert_int_equal(config->postgres.pool.write, 8);
    assert_int_equal(config->postgres.pool.read, 100);
    assert_string_equal(config->postgres.durability, "primary");
    config_unref(&config);
    refused_one("postgres.shards", list(shard(NULL, NULL), table()),
                "/etc/stoa/stoa.lua:7: postgres.shards: a shard needs write");
    refused_one("postgres.shards", list(shard("host=b", text("host=c")), table()),
                "/etc/stoa/stoa.lua:10: postgres.shards: read must be a list of replicas");
    refused_replica(number(1), "/etc/stoa/stoa.lua:7: postgres.shards: must be a conninfo text");
    refused_replica(
        replica("host=c", text("sync")),
        "/etc/stoa/stoa.lua:12: postgres.shards: purposes must be a list of: history sync disaster_recovery");
    refused_replica(
        replica("host=c", list(text("serach"), NULL)),
        "/etc/stoa/stoa.lua:7: postgres.shards: purpose \"serach\" is none of: history sync disaster_recovery");
    refused_replica(replica(NULL, list(text("sync"), NULL)),
                    "/etc/stoa/stoa.lua:7: postgres.shards: a replica needs conninfo");
    refused_one(
        "postgres.shards", list(text("host=b"), table()),
        "/etc/stoa/stoa.lua:7: postgres.shards: must be a list of { write = CONNINFO, read = { CONNINFO, … } }");
    refused_one("store.driver", text("postgres"),
                "/etc/stoa/stoa.lua: postgres.global: store.driver = \"postgres\" needs it");
}

static void redis_is_named_by_its_nodes(void **state) {
    struct value *tree = table();
    set(tree, "redis.mode", text("cluster"), 3);
    set(tree, "redis.nodes", list(text("redis-1:6379"), text("[::1]:6380")), 4);
    set(tree, "redis.socketio_adapter", text("both"), 5);
    set(tree, "node.name", text("a"), 6);
    struct config *config = good(tree);
    assert_string_equal(config->redis.mode, "cluster");
    assert_int_equal(config->redis.nodes.len, 2);
    assert_string_equal(config->redis.socketio_adapter, "both");
    assert_int_equal(config->redis.command_timeout_ms, 1000);
    assert_string_equal(config->node.name, "a");
    config_unref(&config);
    tree = table();
    set(tree, "redis.socketio_adapter", boolean(false), 5);
    config = good(tree);
    assert_null(config->redis.socketio_adapter);
    assert_int_equal(config->redis.nodes.len, 0);
    config_unref(&config);
}

static void redis_that_cannot_be_is_refused(void **state) {
    static const char *const no_addresses[] = {"redis",          "redis:",      ":6379",
                                               "redis:0",        "redis:65536", "redis:6379/0",
                                               "redis://a:6379", "::1:6379",    "redis:63 79"};
    for (size_t i = 0; i < sizeof no_addresses / sizeof *no_addresses; i++) {
        char expected[128];
        snprintf(expected, sizeof expected, "/etc/stoa/stoa.lua:7: redis.nodes: \"%s\" is no \"host:port\"",
                 no_addresses[i]);
        refused_one("redis.nodes", list(text(no_addresses[i]), text("b:1")), expected);
    }
    refused_one("redis.nodes", list(text("a:1"), text("b:1")),
                "/etc/stoa/stoa.lua:7: redis.nodes: one node is what mode = \"standalone\" has");
    refused_one("redis.mode", text("sentinel"),
                "/etc/stoa/stoa.lua: redis.nodes: mode = \"sentinel\" needs one at least");
    refused_one("redis.mode", text("ring"),
                "/etc/stoa/stoa.lua:7: redis.mode: \"ring\" is none of: standalone sentinel cluster");
    refused_one("redis.user", text("stoa"), "/etc/stoa/stoa.lua: redis.password: redis.user needs it");
    refused_one("redis.socketio_adapter", text("classic"),
                "/etc/stoa/stoa.lua: redis.nodes: redis.socketio_adapter needs them");
    refused_one("redis.socketio_adapter", boolean(true),
                "/etc/stoa/stoa.lua:7: redis.socketio_adapter: must be a text");
}

static void scripts_see_the_whole_tree_as_json(void **state) {
    struct value *tree = table();
    set(tree, "app.greeting", text("say \"hi\"\n"), 1);
    set(tree, "app.share", number(0.5), 1);
    struct config *config = good(tree);
    struct buffer json = {0};
    value_write_json(config->tree, &json);
    buffer_append_char(&json, '\0');
    assert_non_null(strstr(json.ptr, "\"app\":{\"greeting\":\"say \\\"hi\\\"\\u000a\",\"share\":0.5}"));
    assert_non_null(strstr(json.ptr, "\"user_messages\":[30,60]"));
    assert_non_null(strstr(json.ptr, "\"transports\":[\"websocket\",\"polling\"]"));
    buffer_done(&json);
    config_unref(&config);
}

static void remember(void *owner, const char *key, enum config_when when) {
    buffer_printf(owner, "%s/%d ", key, (int)when);
}

static void changes_are_told_with_when_they_hold(void **state) {
    struct value *tree = table();
    set(tree, "listen", text("0.0.0.0:80"), 1);
    set(tree, "limits.uploads", boolean(false), 1);
    struct config *before = good(table()), *after = good(tree);
    struct buffer changes = {0};
    config_each_change(before, after, remember, &changes);
    assert_true(slice_is(buffer_slice(&changes), "listen/2 limits.uploads/0 "));
    buffer_clear(&changes);
    config_each_change(before, before, remember, &changes);
    assert_int_equal(changes.len, 0);
    buffer_done(&changes);
    config_unref(&before);
    config_unref(&after);
}

/* A folder for the files of a test. */
struct folder {
    char path[64];
};

static struct folder folder_new(void) {
    struct folder folder;
    strcpy(folder.path, "/tmp/stoa-config-XXXXXX");
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static char *folder_write(const struct folder *folder, const char *name, const char *content) {
    char *path = file_resolve(folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    return path;
}

static void folder_done(const struct folder *folder) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder->path);
    assert_int_equal(system(command), 0);
}

static void sources_stay_as_they_were_read(void **state) {
    struct folder folder = folder_new();
    char *script = folder_write(&folder, "chat.lua", "return 1"), *beside = folder_write(&folder, "words.lua", "");
    struct value *tree = table();
    set(tree, "scripts", list(text(script), NULL), 1);
    struct config *config = good(tree);
    free(folder_write(&folder, "chat.lua", "broken("));
    assert_true(slice_is(config_source(config, script), "return 1"));
    assert_non_null(config_source(config, beside).ptr);
    assert_int_equal(config_source(config, beside).len, 0);
    assert_null(config_source(config, "/etc/passwd").ptr);
    config_unref(&config);
    free(script);
    free(beside);
    folder_done(&folder);
}

static void expect_fingerprint(struct value *tree, const char *expected, bool equal) {
    char fingerprint[CONFIG_FINGERPRINT_LEN + 1];
    struct config *config = good(tree);
    config_fingerprint(config, fingerprint);
    assert_int_equal(strcmp(fingerprint, expected) == 0, equal);
    config_unref(&config);
}

static struct value *tree_of(const char *script, const char *first, double first_value, const char *second) {
    struct value *tree = table();
    set(tree, "scripts", list(text(script), NULL), 1);
    set(tree, first, number(first_value), 2);
    set(tree, second, number(2), 3);
    return tree;
}

static void the_same_settings_and_scripts_have_one_fingerprint(void **state) {
    struct folder folder = folder_new();
    char *script = folder_write(&folder, "chat.lua", "return 1"), fingerprint[CONFIG_FINGERPRINT_LEN + 1];
    struct config *config = good(tree_of(script, "app.a", 1, "app.b"));
    config_fingerprint(config, fingerprint);
    config_unref(&config);
    assert_int_equal(strlen(fingerprint), CONFIG_FINGERPRINT_LEN);
    expect_fingerprint(tree_of(script, "app.a", 1, "app.b"), fingerprint, true);
    struct value *turned = table(); /* as another Lua state walks the same table */
    set(turned, "app.b", number(2), 1);
    set(turned, "app.a", number(1), 1);
    set(turned, "scripts", list(text(script), NULL), 1);
    expect_fingerprint(turned, fingerprint, true);
    expect_fingerprint(tree_of(script, "app.a", 2, "app.b"), fingerprint, false);
    expect_fingerprint(tree_of(script, "app.c", 1, "app.b"), fingerprint, false);
    free(folder_write(&folder, "chat.lua", "return 2"));
    expect_fingerprint(tree_of(script, "app.a", 1, "app.b"), fingerprint, false);
    free(script);
    folder_done(&folder);
}

static void no_script_that_is_a_pipe_a_giant_or_a_way_out(void **state) {
    struct folder folder = folder_new();
    struct error error;
    struct buffer out = {0};
    char *pipe = file_resolve(folder.path, "pipe.lua"), *link = file_resolve(folder.path, "link.lua");
    char *giant = folder_write(&folder, "giant.lua", "");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(truncate(giant, FILE_MAX_BYTES + 1), 0);
    assert_false(file_read_script(pipe, &out, &error));
    assert_string_equal(error.text, "is no regular file");
    assert_false(file_read_script(link, &out, &error));
    assert_string_equal(error.text, "is a link out of its folder");
    assert_false(file_read_script(giant, &out, &error));
    assert_string_equal(error.text, "is larger than 1048576 bytes");
    assert_false(file_read("/dev/zero", &out, &error));
    assert_string_equal(error.text, "is no regular file");
    struct value *tree = table();
    set(tree, "scripts", list(text("/nowhere/x.lua"), NULL), 4);
    refused(tree, "/etc/stoa/stoa.lua:4: scripts: /nowhere/x.lua: No such file or directory");
    buffer_done(&out);
    free(pipe);
    free(link);
    free(giant);
    folder_done(&folder);
}

static void remember_line(void *owner, struct slice line) {
    buffer_append_slice(owner, line);
}

static void a_secret_that_everybody_may_read_is_warned_of(void **state) {
    struct folder folder = folder_new();
    char *file = folder_write(&folder, "stoa.lua", "return { api_keys = { 'open-sesame' } }");
    struct buffer lines = {0};
    log_set_sink(remember_line, &lines);
    for (int open = 0; open < 2; open++) {
        assert_int_equal(chmod(file, open ? 0644 : 0640), 0);
        struct value *tree = table();
        set(tree, "api_keys", list(text("open-sesame"), NULL), 1);
        struct config *config = config_new(file, &tree, NULL);
        assert_non_null(config);
        assert_int_equal(lines.len, 0);
        doubts_tell(config);
        config_unref(&config);
        buffer_append_char(&lines, '\0');
        assert_int_equal(strstr(lines.ptr, "config.secret_readable") != NULL, open);
        assert_null(strstr(lines.ptr, "open-sesame"));
        buffer_clear(&lines);
    }
    log_set_sink(NULL, NULL);
    buffer_done(&lines);
    free(file);
    folder_done(&folder);
}

/* auth and conninfos hold secrets among what is none; what env gave is in no file. */
static void what_is_no_secret_is_not_warned_of(void **state) {
    static const struct {
        const char *file, *key, *value;
        bool is_secret;
    } rows[] = {
        {"return { auth = { secret = 'open-sesame' } }", "auth.secret", "open-sesame", true},
        {"return { auth = { secret = env 'open-sesame' } }", "auth.secret", "open-sesame", false},
        {"return { auth = { secret = env('open-sesame') } }", "auth.secret", "open-sesame", false},
        {"return { auth = { secret = env 'S' } } -- open-sesame", "auth.secret", "open-sesame", false},
        {"return { auth = { issuer = 'https://id.example' } }", "auth.issuer", "https://id.example", false},
        {"return { auth = { public_key_file = 'keys/public.pem' } }", "auth.public_key_file", "keys/public.pem", false},
        {"return { postgres = { global = 'host=127.0.0.1' } }", "postgres.global", "host=127.0.0.1", false},
        {"return { postgres = { global = 'host=a password=b' } }", "postgres.global", "host=a password=b", true},
        {"return { postgres = { global = 'postgres://u:p@a/d' } }", "postgres.global", "postgres://u:p@a/d", true},
        {"return { redis = { password = [[open-sesame]] } }", "redis.password", "open-sesame", true},
    };
    struct folder folder = folder_new();
    struct buffer lines = {0};
    log_set_sink(remember_line, &lines);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *file = folder_write(&folder, "stoa.lua", rows[i].file);
        struct value *tree = table();
        if (strncmp(rows[i].key, "auth.", 5) == 0) set(tree, "auth.mode", text("jwt"), 1);
        set(tree, rows[i].key, text(rows[i].value), 1);
        struct config *config = config_new(file, &tree, NULL);
        assert_non_null(config);
        doubts_tell(config);
        buffer_append_char(&lines, '\0');
        if ((strstr(lines.ptr, "config.secret_readable") != NULL) != rows[i].is_secret) fail_msg("%s", rows[i].file);
        buffer_clear(&lines);
        config_unref(&config);
        free(file);
    }
    log_set_sink(NULL, NULL);
    buffer_done(&lines);
    folder_done(&folder);
}

static void the_mode_of_authentication_is_no_secret(void **state) {
    struct folder folder = folder_new();
    char *file = folder_write(&folder, "stoa.lua", "return { auth = { mode = 'development' } }");
    struct buffer lines = {0};
    struct value *tree = table();
    log_set_sink(remember_line, &lines);
    set(tree, "auth.mode", text("development"), 1);
    struct config *config = config_new(file, &tree, NULL);
    assert_non_null(config);
    doubts_tell(config);
    assert_int_equal(lines.len, 0);
    log_set_sink(NULL, NULL);
    config_unref(&config);
    buffer_done(&lines);
    free(file);
    folder_done(&folder);
}

static void every_default_passes_its_own_check(void **state) {
    struct config *config = good(table());
    for (size_t i = 0; i < keys_len; i++) {
        assert_true(keys[i].doc[0]);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(keys[i].name, keys[j].name);
        assert_ptr_equal(key_find(keys[i].name), &keys[i]);
    }
    config_unref(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_has_every_default),
        cmocka_unit_test(what_is_set_replaces_the_default),
        cmocka_unit_test(relative_paths_belong_to_the_files_folder),
        cmocka_unit_test(mistakes_name_line_key_and_remedy),
        cmocka_unit_test(who_a_client_is_has_no_mode_by_accident),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(what_this_build_cannot_do_is_said),
        cmocka_unit_test(shards_name_their_primary_and_replicas),
        cmocka_unit_test(redis_is_named_by_its_nodes),
        cmocka_unit_test(redis_that_cannot_be_is_refused),
        cmocka_unit_test(scripts_see_the_whole_tree_as_json),
        cmocka_unit_test(changes_are_told_with_when_they_hold),
        cmocka_unit_test(sources_stay_as_they_were_read),
        cmocka_unit_test(the_same_settings_and_scripts_have_one_fingerprint),
        cmocka_unit_test(no_script_that_is_a_pipe_a_giant_or_a_way_out),
        cmocka_unit_test(a_secret_that_everybody_may_read_is_warned_of),
        cmocka_unit_test(what_is_no_secret_is_not_warned_of),
        cmocka_unit_test(the_mode_of_authentication_is_no_secret),
        cmocka_unit_test(every_default_passes_its_own_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
