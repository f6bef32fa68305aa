/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial_context.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <uv.h>

#include "base/log.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"

/* Its timeouts are only a fallback for ours. */
enum { LWS_TIMEOUT_S = 3700, HEAD_BYTES = 8192, WRITE_MAX = 4 << 20, READ_BYTES = 16384, GOODBYE_TURNS = 64 };
enum { AUTHORITIES_MAX = 16, FILES_MAX = DIALS_MAX + 16 };

/* A set of certificate authorities. */
struct authority {
    struct list link;
    char *ca; /* NULL: the system's */
    char name[16];
    SSL_CTX *tls;
    struct lws_vhost *vhost;
};

static const lws_retry_bo_t no_validity_timers = {0};

static void log_lws(int level, const char *line) {
    size_t len = strlen(line);
    while (len > 0 && line[len - 1] == '\n') len--;
    LOG(LOG_DEBUG, "libwebsockets", LOG_SLICE("text", ((struct slice){line, len})));
}

void dial_context_init(struct dial_context *context, struct loop *loop, lws_callback_function *callback) {
    context->loop = loop;
    context->protocols[0] = (struct lws_protocols){.name = "stoa",
                                                   .callback = callback,
                                                   .per_session_data_size = 1, /* otherwise the end is not reported */
                                                   .rx_buffer_size = READ_BYTES,
                                                   .tx_packet_size = WRITE_MAX};
    list_init(&context->authorities);
}

static void create(struct dial_context *context) {
    void *loops[] = {loop_uv(context->loop)};
    lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = loops,
        .pcontext = &context->lws,
        .user = context,
        .gid = -1,
        .uid = -1,
        .max_http_header_data = HEAD_BYTES,
        .timeout_secs = LWS_TIMEOUT_S,
        .connect_timeout_secs = LWS_TIMEOUT_S,
        .fd_limit_per_thread = FILES_MAX,
        .pt_serv_buf_size = READ_BYTES,
        .retry_and_idle_policy = &no_validity_timers,
    };
    context->lws = lws_create_context(&info);
    loop_uv_wake(context->loop);
}

/* NULL: the file holds no certificates. */
static SSL_CTX *tls_new(const char *ca) {
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls) abort();
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (ca ? SSL_CTX_load_verify_locations(tls, ca, NULL) == 1 : SSL_CTX_set_default_verify_paths(tls) == 1) return tls;
    SSL_CTX_free(tls);
    return NULL;
}

static struct authority *authority_find(struct dial_context *context, const char *ca, unsigned *len_r) {
    *len_r = 0;
    LIST_EACH(&context->authorities, link) {
        struct authority *authority = CONTAINER(link, struct authority, link);
        (*len_r)++;
        if (ca && authority->ca ? strcmp(ca, authority->ca) == 0 : ca == authority->ca) return authority;
    }
    return NULL;
}

struct lws_vhost *dial_context_vhost(struct dial_context *context, const char *ca, enum dial_fault *fault_r) {
    unsigned len;
    struct authority *authority = authority_find(context, ca, &len);
    if (authority) return authority->vhost;
    *fault_r = len == AUTHORITIES_MAX ? DIAL_TOO_MANY : DIAL_BAD_CA;
    SSL_CTX *tls = len < AUTHORITIES_MAX ? tls_new(ca) : NULL;
    if (!tls) return NULL;
    if (!context->lws) create(context);
    authority = NEW(struct authority);
    snprintf(authority->name, sizeof authority->name, "dial-%u", len);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .vhost_name = authority->name,
        .protocols = context->protocols,
        .provided_client_ssl_ctx = tls,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .http_proxy_address = "", /* not the environment's */
        .retry_and_idle_policy = &no_validity_timers,
    };
    authority->ca = ca ? memory_copy(ca, strlen(ca)) : NULL;
    authority->tls = tls;
    authority->vhost = context->lws ? lws_create_vhost(context->lws, &info) : NULL;
    if (!authority->vhost) abort();
    list_append(&context->authorities, &authority->link);
    return authority->vhost;
}

/* libwebsockets compares only names; for an IP address in the URL we check the certificate ourselves. */
bool dial_context_trusts(const char *host, void *store_context, bool is_sound) {
    if (is_sound) return true;
    X509 *certificate = X509_STORE_CTX_get_current_cert(store_context);
    bool by_name = X509_STORE_CTX_get_error(store_context) == X509_V_ERR_HOSTNAME_MISMATCH;
    if (by_name && certificate && X509_check_ip_asc(certificate, host, 0) == 1) {
        X509_STORE_CTX_set_error(store_context, X509_V_OK);
        return true;
    }
    return false;
}

static void free_watcher(uv_handle_t *handle) {
    free(handle);
}

static void close_watcher(uv_handle_t *handle, void *wsi) {
    if (handle->type == UV_POLL && handle->data == wsi && !uv_is_closing(handle)) uv_close(handle, free_watcher);
}

/* libwebsockets 4.1.6 forgets the watcher of a connection that fails within the call of connect. */
void dial_context_gone(struct lws *wsi) {
    struct dial_context *context = lws_context_user(lws_get_context(wsi));
    uv_walk(loop_uv(context->loop), close_watcher, wsi);
    loop_uv_wake(context->loop);
}

/* On a foreign loop the context is destroyed in steps, while its handles close; at the end context->lws is NULL. */
void dial_context_done(struct dial_context *context) {
    for (int i = 0; i < GOODBYE_TURNS && context->lws; i++) {
        if (i % (GOODBYE_TURNS / 4) == 0) lws_context_destroy(context->lws);
        loop_uv_wake(context->loop);
        loop_turn(context->loop);
    }
    struct list *link;
    while ((link = list_pop(&context->authorities))) {
        struct authority *authority = CONTAINER(link, struct authority, link);
        SSL_CTX_free(authority->tls);
        free(authority->ca);
        free(authority);
    }
}
