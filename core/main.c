/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - puts the core and the Lua policies together, and reads the command line. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "command/backup.h"
#include "command/migrate.h"
#include "command/rehearsal.h"
#include "command/verify_command.h"
#include "config/config.h"
#include "config/config_page.h"
#include "lua/config_reader.h"
#include "lua/script_policy.h"
#include "master/control_socket.h"
#include "master/master.h"
#include "process/startup.h"

enum { SETS_MAX = 64 };
enum { EXIT_CONFIG = 2, EXIT_NO_SERVER = 3, EXIT_USAGE = 64 };

#define DEFAULT_CONFIG "/etc/stoa/stoa.lua"
#define DEFAULT_CONTROL "/run/stoa/stoa.sock"

struct arguments {
    const char *config;
    const char *sets[SETS_MAX + 1];
    size_t sets_len;
    const char *control, *database; /* NULL: as configured */
    const char *file;               /* the command's operand */
    long shard;                     /* -1: none */
    bool force, unsound, json, global;
};

static int complain(const struct error *error, int status) {
    fprintf(stderr, "%s\n", error->text);
    return status;
}

static struct config *read_config(const struct arguments *arguments, struct error *error_r) {
    return config_reader_read(arguments->config, arguments->sets, arguments->sets_len, error_r);
}

static int serve(struct arguments *arguments) {
    return master_run(&(struct startup){.config_path = arguments->config,
                                        .sets = arguments->sets,
                                        .sets_len = arguments->sets_len,
                                        .source = &script_policy_source});
}

static int check(struct arguments *arguments) {
    struct error error;
    struct config *config = read_config(arguments, &error);
    const char *left_out = config ? rehearsal_leaves_out(config) : "";
    bool good = config && rehearse(config, &script_policy_source, &error);
    if (good) printf("%s: good (%zu scripts%s)\n", arguments->config, config->scripts.len, left_out);
    config_unref(&config);
    return good ? EXIT_SUCCESS : complain(&error, EXIT_CONFIG);
}

static int migrate(struct arguments *arguments) {
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

static int keys(struct arguments *arguments) {
    struct buffer out = {0};
    config_page_write(&out);
    fwrite(out.ptr, 1, out.len, stdout);
    buffer_done(&out);
    return EXIT_SUCCESS;
}

/* ---- reload, status: to the running server, whatever has become of its configuration */

enum { SOCKETS_MAX = 2 };

/* Where to look for it; how many. The caller frees. */
static size_t find_sockets(const struct arguments *arguments, char *paths_r[SOCKETS_MAX]) {
    static const char *const wanted[] = {"control", NULL};
    struct error error;
    char *path;
    if (arguments->control) {
        paths_r[0] = memory_copy(arguments->control, strlen(arguments->control));
        return 1;
    }
    if (config_reader_peek(arguments->config, arguments->sets, arguments->sets_len, wanted, &path, &error)) {
        paths_r[0] = path ? path : memory_copy("", 0);
        return 1;
    }
    struct buffer beside = {0};
    const char *slash = strrchr(arguments->config, '/');
    buffer_append(&beside, arguments->config, slash ? (size_t)(slash - arguments->config) + 1 : 0);
    buffer_append_str(&beside, "stoa.sock");
    paths_r[0] = buffer_take(&beside, NULL);
    paths_r[1] = memory_copy(DEFAULT_CONTROL, strlen(DEFAULT_CONTROL));
    fprintf(stderr, "warning: %s; looking for the server at %s and %s\n", error.text, paths_r[0], paths_r[1]);
    return 2;
}

static int connect_server(const struct arguments *arguments) {
    char *paths[SOCKETS_MAX];
    struct error error;
    int fd = -1;
    size_t len = find_sockets(arguments, paths);
    for (size_t i = 0; i < len; i++) {
        if (fd < 0 && paths[i][0] && (fd = control_socket_connect(paths[i], &error)) < 0)
            fprintf(stderr, "no server: %s\n", error.text);
        else if (!paths[i][0])
            fprintf(stderr, "no server: %s: control: none (--control PATH says where)\n", arguments->config);
        free(paths[i]);
    }
    return fd;
}

static int ask(const struct arguments *arguments, const char *command) {
    struct error error;
    struct buffer answer = {0};
    int fd = connect_server(arguments);
    if (fd < 0) return EXIT_NO_SERVER;
    if (!control_socket_ask(fd, command, &answer, &error)) return complain(&error, EXIT_FAILURE);
    bool refused = answer.len >= 6 && memcmp(answer.ptr, "error ", 6) == 0;
    fwrite(answer.ptr, 1, answer.len, refused ? stderr : stdout);
    buffer_done(&answer);
    return refused ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int reload(struct arguments *arguments) {
    return ask(arguments, "reload");
}

static int status(struct arguments *arguments) {
    return ask(arguments, "status");
}

/* ---- backup, restore, epoch, verify: of the store, whatever else is wrong in the configuration */

/* The path of a SQLite store. NULL: the store is another one, or (EXIT_CONFIG in status_r) there is no saying. */
static char *find_database(const struct arguments *arguments, int *status_r) {
    static const char *const wanted[] = {"store.driver", "store.path", NULL};
    struct error error;
    char *texts[2], *path = NULL;
    *status_r = EXIT_SUCCESS;
    if (arguments->database) return memory_copy(arguments->database, strlen(arguments->database));
    bool good = config_reader_peek(arguments->config, arguments->sets, arguments->sets_len, wanted, texts, &error);
    bool is_file = good && texts[0] && strcmp(texts[0], "sqlite") == 0;
    if (good && (!texts[0] || (is_file && (!texts[1] || strcmp(texts[1], ":memory:") == 0)))) {
        error_set(&error, "%s: store: names no file that is kept", arguments->config);
        good = false;
    }
    if (!good) *status_r = complain(&error, EXIT_CONFIG);
    if (good && is_file) path = memory_copy(texts[1], strlen(texts[1]));
    free(texts[0]);
    free(texts[1]);
    return path;
}

static int run_on_file(const struct arguments *arguments, int (*run)(const struct backup_order *order)) {
    int exit;
    char *path = find_database(arguments, &exit);
    if (path)
        exit = run(&(struct backup_order){path, arguments->file, arguments->force, arguments->unsound});
    else if (exit == EXIT_SUCCESS)
        exit = complain(&(struct error){"this is for SQLite; of PostgreSQL: docs/postgres.md"}, EXIT_CONFIG);
    free(path);
    return exit;
}

static int backup(struct arguments *arguments) {
    return run_on_file(arguments, backup_make);
}

static int restore(struct arguments *arguments) {
    return run_on_file(arguments, backup_restore);
}

static int epoch_begin(struct arguments *arguments) {
    int exit;
    struct error error;
    char *path = find_database(arguments, &exit);
    if (path) {
        exit = backup_begin_epoch(path);
    } else if (exit == EXIT_SUCCESS) {
        struct config *config = read_config(arguments, &error);
        exit = config ? verify_command_begin_epoch(config, arguments->shard, arguments->global)
                      : complain(&error, EXIT_CONFIG);
        config_unref(&config);
    }
    free(path);
    return exit;
}

static int verify(struct arguments *arguments) {
    int exit;
    struct error error;
    char *path = find_database(arguments, &exit);
    if (path) {
        exit = verify_command_file(path, arguments->json);
    } else if (exit == EXIT_SUCCESS) {
        struct config *config = read_config(arguments, &error);
        exit = config ? verify_command_fleet(config, arguments->shard, arguments->json) : complain(&error, EXIT_CONFIG);
        config_unref(&config);
    }
    free(path);
    return exit;
}

/* ---- the command line */

/* Options without a short form. */
enum { CONTROL = 256, DATABASE, FORCE, GLOBAL, JSON, SHARD, UNSOUND };

static const struct command {
    const char *name;    /* one word or two */
    const char *operand; /* NULL: none */
    const int *options;  /* beside config and set; 0 at the end */
    int (*run)(struct arguments *arguments);
    const char *help;
} commands[] = {
    {"serve", NULL, (int[]){0}, serve, "run the server in the foreground"},
    {"check", NULL, (int[]){0}, check, "check the configuration and its scripts; change nothing"},
    {"reload", NULL, (int[]){CONTROL, 0}, reload, "have the running server load both again, and wait for the outcome"},
    {"status", NULL, (int[]){CONTROL, 0}, status, "print what the running server says of itself, as JSON"},
    {"backup", "FILE", (int[]){DATABASE, FORCE, UNSOUND, 0}, backup,
     "copy a SQLite store into FILE, also while it is served"},
    {"restore", "FILE", (int[]){DATABASE, UNSOUND, 0}, restore,
     "put a copy of FILE in the SQLite store's place; the old one is kept"},
    {"epoch begin", NULL, (int[]){DATABASE, SHARD, GLOBAL, 0}, epoch_begin,
     "say that acknowledged messages may be missing, where no one can see it"},
    {"verify", NULL, (int[]){DATABASE, SHARD, JSON, 0}, verify, "read the whole store, and say what is wrong in it"},
    {"migrate", NULL, (int[]){0}, migrate, "bring the tables of PostgreSQL up to this version; safe to repeat"},
    {"keys", NULL, (int[]){0}, keys, "print the documentation of all settings (Markdown)"},
};
enum { COMMANDS_LEN = sizeof commands / sizeof *commands };

static const char options_help[] =
    "\n"
    "  -c, --config FILE     the configuration (default " DEFAULT_CONFIG
    ")\n"
    "  -s, --set KEY=VALUE   instead of the file's; VALUE is a Lua literal, else a text\n"
    "      --control PATH    reload, status: the running server's socket (default: the configuration's)\n"
    "      --database PATH   backup, restore, epoch begin, verify: the SQLite store (default: the configuration's)\n"
    "      --force           backup: replace FILE\n"
    "      --unsound         backup, restore: although verify finds something wrong in it\n"
    "      --shard N         epoch begin, verify: of PostgreSQL this shard only\n"
    "      --global          epoch begin: of PostgreSQL the global database\n"
    "      --json            verify: a line of JSON for each finding\n"
    "  -v, --version         print the version\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0 good, 1 refused, or something is wrong in the store, 2 a broken configuration, 3 no server there,\n"
    "4 not all of the store could be read, 64 a wrong command line, 130 interrupted.\n";

static void print_usage(FILE *out) {
    fputs("usage: stoa COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < COMMANDS_LEN; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%s%s", commands[i].name, commands[i].operand ? " " : "",
                 commands[i].operand ? commands[i].operand : "");
        fprintf(out, "  %-13s %s\n", name, commands[i].help);
    }
    fputs(options_help, out);
}

static int refuse(const char *format, const char *what) {
    fprintf(stderr, "stoa: ");
    fprintf(stderr, format, what);
    fputs(" (stoa --help)\n", stderr);
    return EXIT_USAGE;
}

static bool take_number(const char *text, long *number_r) {
    char *end;
    *number_r = strtol(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *number_r < INT_MAX;
}

static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                        {"set", required_argument, NULL, 's'},
                                        {"version", no_argument, NULL, 'v'},
                                        {"help", no_argument, NULL, 'h'},
                                        {"control", required_argument, NULL, CONTROL},
                                        {"database", required_argument, NULL, DATABASE},
                                        {"force", no_argument, NULL, FORCE},
                                        {"global", no_argument, NULL, GLOBAL},
                                        {"json", no_argument, NULL, JSON},
                                        {"shard", required_argument, NULL, SHARD},
                                        {"unsound", no_argument, NULL, UNSOUND},
                                        {0}};
enum { GIVEN_MAX = 16 };

/* False: a wrong one. given_r: those that only some commands have. */
static bool take_option(int option, struct arguments *arguments, int given_r[GIVEN_MAX + 1], size_t *given_len) {
    if (option >= CONTROL && *given_len < GIVEN_MAX) given_r[(*given_len)++] = option;
    switch (option) {
        case 'c':
            arguments->config = optarg;
            return true;
        case 's':
            if (arguments->sets_len >= SETS_MAX) return false;
            arguments->sets[arguments->sets_len++] = optarg;
            return true;
        case CONTROL:
            arguments->control = optarg;
            return true;
        case DATABASE:
            arguments->database = optarg;
            return true;
        case FORCE:
            arguments->force = true;
            return true;
        case GLOBAL:
            arguments->global = true;
            return true;
        case JSON:
            arguments->json = true;
            return true;
        case UNSOUND:
            arguments->unsound = true;
            return true;
        case SHARD:
            return take_number(optarg, &arguments->shard);
        default:
            return false;
    }
}

static const char *name_of(int option) {
    const struct option *at = options;
    while (at->name && at->val != option) at++;
    return at->name;
}

/* Removes the command's words from the arguments. NULL: there is no such command. */
static const struct command *find_command(char ***words, int *len) {
    for (size_t i = 0; i < COMMANDS_LEN; i++) {
        const char *name = commands[i].name, *space = strchr(name, ' ');
        size_t first = space ? (size_t)(space - name) : strlen(name);
        int taken = space ? 2 : 1;
        if (*len < taken || strlen((*words)[0]) != first || strncmp((*words)[0], name, first) != 0) continue;
        if (space && strcmp((*words)[1], space + 1) != 0) continue;
        *words += taken;
        *len -= taken;
        return &commands[i];
    }
    return NULL;
}

static bool has_option(const struct command *command, int option) {
    for (const int *at = command->options; *at; at++)
        if (*at == option) return true;
    return false;
}

int main(int argc, char **argv) {
    struct arguments arguments = {.config = DEFAULT_CONFIG, .shard = -1};
    umask(0077); /* files it writes are for its own user only */
    int given[GIVEN_MAX + 1] = {0};
    size_t given_len = 0;
    for (int option; (option = getopt_long(argc, argv, "c:s:vh", options, NULL)) >= 0;) {
        if (option == 'v') return printf("stoa %s\n", STOA_VERSION) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (option == 'h') return print_usage(stdout), EXIT_SUCCESS;
        if (option == '?') return EXIT_USAGE; /* getopt has printed the reason */
        if (!take_option(option, &arguments, given, &given_len)) return refuse("--%s: wrong", name_of(option));
    }
    char **words = argv + optind;
    int len = argc - optind;
    const struct command *command = find_command(&words, &len);
    if (!command) return print_usage(stderr), EXIT_USAGE;
    for (size_t i = 0; i < given_len; i++)
        if (!has_option(command, given[i])) return refuse("--%s is not for this command", name_of(given[i]));
    if (len != (command->operand ? 1 : 0))
        return command->operand && len == 0 ? refuse("%s is missing", command->operand)
                                            : refuse("%s: one word too many", words[len > 1 && command->operand]);
    arguments.file = command->operand ? words[0] : NULL;
    return command->run(&arguments);
}
