/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"

struct value *value_new(enum value_type type, const char *key) {
    struct value *value = NEW(struct value);
    value->type = type;
    if (key) value->key = memory_copy(key, strlen(key));
    return value;
}

void value_free(struct value **value) {
    struct value *at = *value;
    *value = NULL;
    while (at) {
        struct value *next = at->next;
        value_free(&at->first);
        free(at->key);
        free(at->text);
        free(at);
        at = next;
    }
}

struct value *value_child(const struct value *table, const char *name) {
    for (struct value *child = table->first; child; child = child->next)
        if (child->key && strcmp(child->key, name) == 0) return child;
    return NULL;
}

struct value *value_find(const struct value *root, const char *name) {
    struct value *at = (struct value *)root;
    while (at && *name) {
        size_t len = strcspn(name, ".");
        char step[64];
        snprintf(step, sizeof step, "%.*s", (int)len, name);
        at = at->type == VALUE_TABLE ? value_child(at, step) : NULL;
        name += len + (name[len] == '.');
    }
    return at;
}

unsigned value_line(const struct value *root, const char *dotted) {
    char name[128];
    snprintf(name, sizeof name, "%s", dotted);
    for (char *dot;; *dot = '\0') {
        const struct value *value = value_find(root, name);
        if (value && value->line > 0) return value->line;
        if (!(dot = strrchr(name, '.'))) return 0;
    }
}

static size_t count(const struct value *table) {
    size_t len = 0;
    for (const struct value *child = table->first; child; child = child->next) len++;
    return len;
}

static const struct value *next_unnamed(const struct value *at) {
    while (at && at->key) at = at->next;
    return at;
}

static bool equal_tables(const struct value *a, const struct value *b) {
    const struct value *item = next_unnamed(b->first);
    if (count(a) != count(b)) return false;
    for (const struct value *child = a->first; child; child = child->next) {
        if (!value_equal(child, child->key ? value_child(b, child->key) : item)) return false;
        if (!child->key) item = next_unnamed(item->next);
    }
    return true;
}

bool value_equal(const struct value *a, const struct value *b) {
    if (!a || !b || a->type != b->type) return a == b;
    switch (a->type) {
        case VALUE_BOOLEAN:
            return a->boolean == b->boolean;
        case VALUE_NUMBER:
            return a->number == b->number;
        case VALUE_TEXT:
            return strcmp(a->text, b->text) == 0;
        default:
            return equal_tables(a, b);
    }
}

void value_add(struct value *table, struct value **child) {
    struct value **at = &table->first;
    while (*at && !((*child)->key && (*at)->key && strcmp((*at)->key, (*child)->key) == 0)) at = &(*at)->next;
    struct value *old = *at;
    if (old) {
        (*child)->next = old->next;
        old->next = NULL;
    }
    *at = *child;
    *child = NULL;
    value_free(&old);
}

bool value_set(struct value *root, const char *dotted, struct value **leaf, struct error *error_r) {
    struct value *table = root;
    const char *step = dotted;
    for (const char *dot; (dot = strchr(step, '.')); step = dot + 1) {
        char *name = memory_copy(step, (size_t)(dot - step));
        struct value *child = value_child(table, name);
        if (!child) {
            child = value_new(VALUE_TABLE, name);
            struct value *added = child;
            value_add(table, &added);
        }
        free(name);
        if (child->type != VALUE_TABLE) {
            error_set(error_r, "%s: %.*s is no table", dotted, (int)(dot - dotted), dotted);
            value_free(leaf);
            return false;
        }
        table = child;
    }
    free((*leaf)->key);
    (*leaf)->key = memory_copy(step, strlen(step));
    value_add(table, leaf);
    return true;
}

static void write_text(const char *text, struct buffer *out) {
    buffer_append_char(out, '"');
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at < 0x20)
            buffer_printf(out, "\\u%04x", *at);
        else {
            if (*at == '"' || *at == '\\') buffer_append_char(out, '\\');
            buffer_append_char(out, (char)*at);
        }
    }
    buffer_append_char(out, '"');
}

static void write_number(double number, struct buffer *out) {
    if (number == floor(number) && fabs(number) < 9007199254740992.0)
        buffer_printf(out, "%.0f", number);
    else if (isfinite(number))
        buffer_printf(out, "%.17g", number);
    else
        buffer_append_str(out, "null");
}

/* A table with a name in it is an object; its unnamed items are then called by their position. */
static void write_table(const struct value *table, struct buffer *out) {
    bool object = !table->first;
    for (const struct value *child = table->first; child; child = child->next) object = object || child->key;
    buffer_append_char(out, object ? '{' : '[');
    unsigned position = 0;
    for (const struct value *child = table->first; child; child = child->next) {
        if (child != table->first) buffer_append_char(out, ',');
        if (child->key)
            write_text(child->key, out);
        else if (++position && object)
            buffer_printf(out, "\"%u\"", position);
        if (object) buffer_append_char(out, ':');
        value_write_json(child, out);
    }
    buffer_append_char(out, object ? '}' : ']');
}

void value_write_json(const struct value *value, struct buffer *out) {
    switch (value->type) {
        case VALUE_BOOLEAN:
            buffer_append_str(out, value->boolean ? "true" : "false");
            break;
        case VALUE_NUMBER:
            write_number(value->number, out);
            break;
        case VALUE_TEXT:
            write_text(value->text, out);
            break;
        case VALUE_TABLE:
            write_table(value, out);
            break;
    }
}
