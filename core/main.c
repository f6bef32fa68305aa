/* main.c - puts the core and the Lua policies together, and reads the command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/config.h"
#include "loop/loop.h"
#include "lua/lua.h"
#include "server/control.h"
#include "server/master.h"
#include "server/migrate.h"
#include "server/worker.h"

enum { SETS_MAX = 64, CHECK_SETS = 4 /* that a check adds */, EXIT_USAGE = 64, EXIT_CONFIG = 2 };

#define DEFAULT_CONFIG "/etc/stoa/stoa.lua"

struct arguments {
    const char *config;
    const char *sets[SETS_MAX + 1];
    size_t sets_len;
};

static const char usage[] =
    "usage: stoa COMMAND [--config FILE] [--set KEY=VALUE]...\n"
    "\n"
    "  serve    run the server in the foreground\n"
    "  check    check the configuration and its scripts; change nothing\n"
    "  reload   have the running server load both again, and wait for the outcome\n"
    "  status   print what the running server says of itself, as JSON\n"
    "  migrate  bring the tables of PostgreSQL up to this version; safe to repeat\n"
    "  keys     print the documentation of all settings (Markdown)\n"
    "\n"
    "  -c, --config FILE     the configuration (default " DEFAULT_CONFIG
    ")\n"
    "  -s, --set KEY=VALUE   instead of the file's; VALUE is a Lua literal, else a text\n"
    "  -v, --version         print the version\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0 good, 1 the server (or a database) refused or is not there, 2 a broken configuration, 64 a wrong "
    "command line.\n";

static int complain(const struct error *error, int status) {
    fprintf(stderr, "%s\n", error->text);
    return status;
}

static struct config *read_config(const struct arguments *arguments, struct error *error_r) {
    return lua_read_config(arguments->config, arguments->sets, arguments->sets_len, error_r);
}

static int serve(struct arguments *arguments) {
    return master_run(&(struct master_start){.config_path = arguments->config,
                                             .sets = arguments->sets,
                                             .sets_len = arguments->sets_len,
                                             .source = &lua_policy_source});
}

/* A worker that never serves, beside a store that is not the running server's. */
static int check(struct arguments *arguments) {
    struct error error;
    struct worker worker;
    struct config *config = read_config(arguments, &error); /* as it is written */
    if (!config) return complain(&error, EXIT_CONFIG);
    config_unref(&config);
    arguments->sets[arguments->sets_len++] = "store.driver=sqlite";
    arguments->sets[arguments->sets_len++] = "store.path=:memory:";
    arguments->sets[arguments->sets_len++] = "redis.nodes={}"; /* a check joins no fleet */
    arguments->sets[arguments->sets_len++] = "workers=1";
    config = read_config(arguments, &error);
    if (!config) return complain(&error, EXIT_CONFIG);
    struct loop *loop = loop_new();
    bool good = worker_init(&worker, loop, config, &lua_policy_source, 1, NULL, &error);
    if (good) worker_done(&worker, 1000);
    if (good) printf("%s: good (%zu scripts)\n", arguments->config, config->scripts.len);
    config_unref(&config);
    loop_free(&loop);
    return good ? EXIT_SUCCESS : complain(&error, EXIT_CONFIG);
}

static int migrate(const struct arguments *arguments) {
    struct error error;
    struct config *config = read_config(arguments, &error);
    if (!config) return complain(&error, EXIT_CONFIG);
    bool used = strcmp(config->store.driver, "postgres") == 0, good = used && migrate_all(config);
    if (!used) {
        config_complain(config, "store.driver", &error,
                        "migrate is for \"postgres\": SQLite's file is migrated by serve");
        complain(&error, EXIT_CONFIG);
    }
    config_unref(&config);
    return good ? EXIT_SUCCESS : used ? EXIT_FAILURE : EXIT_CONFIG;
}

static int keys(void) {
    struct buffer out = {0};
    config_write_docs(&out);
    fwrite(out.ptr, 1, out.len, stdout);
    buffer_done(&out);
    return EXIT_SUCCESS;
}

static int ask(struct arguments *arguments, const char *command) {
    struct error error;
    struct buffer answer = {0};
    struct config *config = read_config(arguments, &error);
    if (!config) return complain(&error, EXIT_CONFIG);
    bool heard = control_ask(config->control, command, &answer, &error);
    config_unref(&config);
    if (!heard) return complain(&error, EXIT_FAILURE);
    bool refused = answer.len >= 6 && memcmp(answer.ptr, "error ", 6) == 0;
    fwrite(answer.ptr, 1, answer.len, refused ? stderr : stdout);
    buffer_done(&answer);
    return refused ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct arguments *arguments) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int option; (option = getopt_long(argc, argv, "c:s:vh", options, NULL)) >= 0;) {
        if (option == 'c') {
            arguments->config = optarg;
        } else if (option == 's' && arguments->sets_len + CHECK_SETS < SETS_MAX) {
            arguments->sets[arguments->sets_len++] = optarg;
        } else if (option == 'v') {
            printf("stoa %s\n", STOA_VERSION);
            return EXIT_SUCCESS;
        } else {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
        }
    }
    return -1;
}

int main(int argc, char **argv) {
    struct arguments arguments = {.config = DEFAULT_CONFIG};
    int status = parse(argc, argv, &arguments);
    if (status >= 0) return status;
    const char *command = optind == argc - 1 ? argv[optind] : "";
    if (strcmp(command, "serve") == 0) return serve(&arguments);
    if (strcmp(command, "check") == 0) return check(&arguments);
    if (strcmp(command, "reload") == 0 || strcmp(command, "status") == 0) return ask(&arguments, command);
    if (strcmp(command, "migrate") == 0) return migrate(&arguments);
    if (strcmp(command, "keys") == 0) return keys();
    fputs(usage, stderr);
    return EXIT_USAGE;
}
