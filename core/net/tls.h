/* tls.h - which TLS is spoken. core/net only. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>

#include "base/error.h"

struct lws_context_creation_info;

/* False: the files do not make a certificate. */
bool tls_check(const char *certificate, const char *key, struct error *error_r) MUST_CHECK;
/* What lws must know for a virtual host with TLS. */
void tls_describe(struct lws_context_creation_info *info, const char *certificate, const char *key);

#endif
