/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres/target.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 16, KEYWORDS_MAX = 64, PORT_DEFAULT = 5432 };

struct target {
    char *name;
    unsigned hosts_len;
    struct {
        char *host, *port; /* NULL: the default */
    } hosts[HOSTS_MAX];
    unsigned keywords_len; /* all but host, hostaddr and port */
    char *keywords[KEYWORDS_MAX], *values[KEYWORDS_MAX];
};

/* What a dead server or a cut network must not hold up, unless the operator says otherwise. */
static const struct {
    const char *keyword, *value;
} fallbacks[] = {
    {"application_name", "stoa"}, {"client_encoding", "UTF8"}, {"gssencmode", "disable"},    {"keepalives_idle", "5"},
    {"keepalives_interval", "2"}, {"keepalives_count", "3"},   {"tcp_user_timeout", "6000"},
};

static void add_keyword(struct target *target, const char *keyword, const char *value) {
    for (unsigned i = 0; i < target->keywords_len; i++)
        if (strcmp(target->keywords[i], keyword) == 0) return;
    if (target->keywords_len + 1 >= KEYWORDS_MAX) return;
    target->keywords[target->keywords_len] = memory_copy(keyword, strlen(keyword));
    target->values[target->keywords_len++] = memory_copy(value, strlen(value));
}

/* The i-th of "a,b,c"; of a single one each. The caller frees; NULL: empty. */
static char *item_of(const char *list, unsigned i) {
    if (!list || !*list) return NULL;
    bool single = !strchr(list, ',');
    for (; !single && i > 0 && *list; i--) {
        list += strcspn(list, ",");
        if (*list) list++;
    }
    size_t len = strcspn(list, ",");
    return len ? memory_copy(list, len) : NULL;
}

static unsigned items_of(const char *list) {
    unsigned len = 1;
    for (; list && *list; list++) len += *list == ',';
    return len;
}

static bool take_hosts(struct target *target, const char *hosts, const char *ports, struct error *error_r) {
    target->hosts_len = items_of(hosts);
    if (target->hosts_len > HOSTS_MAX) {
        error_set(error_r, "more than %d hosts", HOSTS_MAX);
        return false;
    }
    for (unsigned i = 0; i < target->hosts_len; i++) {
        target->hosts[i].host = item_of(hosts, i);
        target->hosts[i].port = item_of(ports, i);
    }
    char name[256];
    snprintf(name, sizeof name, "%s:%s", hosts ? hosts : "", ports ? ports : "5432");
    target->name = memory_copy(name, strlen(name));
    return true;
}

struct target *target_new(const char *conninfo, bool writable, struct error *error_r) {
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &message);
    if (!options) {
        error_set(error_r, "%.*s", (int)strcspn(message, "\n"), message);
        PQfreemem(message);
        return NULL;
    }
    struct target *target = NEW(struct target);
    const char *hosts = NULL, *addresses = NULL, *ports = NULL;
    for (const PQconninfoOption *option = options; option->keyword; option++) {
        if (!option->val) continue;
        if (strcmp(option->keyword, "host") == 0)
            hosts = option->val;
        else if (strcmp(option->keyword, "hostaddr") == 0)
            addresses = option->val;
        else if (strcmp(option->keyword, "port") == 0)
            ports = option->val;
        else
            add_keyword(target, option->keyword, option->val);
    }
    if (writable) add_keyword(target, "target_session_attrs", "read-write");
    for (size_t i = 0; i < sizeof fallbacks / sizeof *fallbacks; i++)
        add_keyword(target, fallbacks[i].keyword, fallbacks[i].value);
    if (!take_hosts(target, addresses ? addresses : hosts, ports, error_r)) target_free(&target);
    PQconninfoFree(options);
    return target;
}

void target_free(struct target **owned) {
    struct target *target = *owned;
    if (!target) return;
    for (unsigned i = 0; i < HOSTS_MAX; i++) {
        free(target->hosts[i].host);
        free(target->hosts[i].port);
    }
    for (unsigned i = 0; i < target->keywords_len; i++) {
        explicit_bzero(target->values[i], strlen(target->values[i])); /* the password is among them */
        free(target->keywords[i]);
        free(target->values[i]);
    }
    free(target->name);
    free(target);
    *owned = NULL;
}

unsigned target_hosts(const struct target *target) {
    return target->hosts_len;
}

const char *target_host(const struct target *target, unsigned i) {
    return target->hosts[i].host;
}

uint16_t target_port(const struct target *target, unsigned i) {
    return target->hosts[i].port ? (uint16_t)strtoul(target->hosts[i].port, NULL, 10) : PORT_DEFAULT;
}

const char *target_name(const struct target *target) {
    return target->name;
}

struct pg_conn *target_connect(const struct target *target, unsigned i, const char *address) {
    const char *keywords[KEYWORDS_MAX + 4], *values[KEYWORDS_MAX + 4];
    unsigned len = target->keywords_len;
    memcpy(keywords, target->keywords, len * sizeof *keywords);
    memcpy(values, target->values, len * sizeof *values);
    const char *pairs[][2] = {{"host", target->hosts[i].host}, {"hostaddr", address}, {"port", target->hosts[i].port}};
    for (size_t pair = 0; pair < 3; pair++) {
        if (!pairs[pair][1]) continue;
        keywords[len] = pairs[pair][0];
        values[len++] = pairs[pair][1];
    }
    keywords[len] = NULL;
    return PQconnectStartParams(keywords, values, 0);
}
