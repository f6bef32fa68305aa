/* SPDX-License-Identifier: Apache-2.0 */
/* parameters.h - the parameters of one statement, in PostgreSQL's binary format: nothing is quoted, nothing escaped. */
#ifndef POSTGRES_PARAMETERS_H
#define POSTGRES_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum { PARAMETERS_MAX = 16 };

/* {0} has none. */
struct parameters {
    struct buffer bytes;
    unsigned len;
    struct parameter {
        unsigned type; /* PostgreSQL's OID */
        size_t start, len;
        bool is_null;
    } items[PARAMETERS_MAX];
};

void parameters_done(struct parameters *parameters);
/* Adds the next one, $1 first. An empty text is NULL; the bytes are copied. */
void parameters_add_text(struct parameters *parameters, struct slice text);
void parameters_add_integer(struct parameters *parameters, int64_t number);
void parameters_add_flag(struct parameters *parameters, bool flag);
void parameters_add_bytes(struct parameters *parameters, struct slice bytes);
/* Adds an array of len items, which must follow, each by an _item call, before the next parameter. */
void parameters_add_texts(struct parameters *parameters, unsigned len);
void parameters_text_item(struct parameters *parameters, struct slice text);
void parameters_add_integers(struct parameters *parameters, unsigned len);
void parameters_integer_item(struct parameters *parameters, int64_t number);

#endif
