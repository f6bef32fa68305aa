/* SPDX-License-Identifier: Apache-2.0 */
#include "config/key_lines.h"

#include <ctype.h>

#include "config/value.h"

enum token_type { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_OTHER /* one character, or a number */ };

struct scanner {
    const char *at, *end;
    unsigned line;
    enum token_type type;
    struct slice text; /* of a string: without its quotes */
};

static char peek(const struct scanner *scanner, size_t ahead) {
    return (size_t)(scanner->end - scanner->at) > ahead ? scanner->at[ahead] : 0;
}

static void skip(struct scanner *scanner, size_t len) {
    for (; len > 0 && scanner->at < scanner->end; len--) scanner->line += *scanner->at++ == '\n';
}

/* The level of a long bracket "[==[" at the place; -1: none. */
static int long_level(const struct scanner *scanner) {
    if (peek(scanner, 0) != '[') return -1;
    int level = 0;
    while (peek(scanner, (size_t)level + 1) == '=') level++;
    return peek(scanner, (size_t)level + 1) == '[' ? level : -1;
}

static void skip_long(struct scanner *scanner, int level) {
    skip(scanner, (size_t)level + 2);
    scanner->text = (struct slice){scanner->at, 0};
    while (scanner->at < scanner->end) {
        if (peek(scanner, 0) == ']') {
            int equals = 0;
            while (peek(scanner, (size_t)equals + 1) == '=') equals++;
            if (equals == level && peek(scanner, (size_t)equals + 1) == ']') break;
        }
        skip(scanner, 1);
    }
    scanner->text.len = (size_t)(scanner->at - scanner->text.ptr);
    skip(scanner, (size_t)level + 2);
}

static void skip_blank(struct scanner *scanner) {
    for (;;) {
        if (isspace((unsigned char)peek(scanner, 0))) {
            skip(scanner, 1);
        } else if (peek(scanner, 0) == '-' && peek(scanner, 1) == '-') {
            skip(scanner, 2);
            int level = long_level(scanner);
            if (level >= 0)
                skip_long(scanner, level);
            else
                while (scanner->at < scanner->end && *scanner->at != '\n') skip(scanner, 1);
        } else {
            return;
        }
    }
}

static void scan_quoted(struct scanner *scanner, char quote) {
    skip(scanner, 1);
    scanner->text = (struct slice){scanner->at, 0};
    while (scanner->at < scanner->end && *scanner->at != quote && *scanner->at != '\n')
        skip(scanner, *scanner->at == '\\' ? 2 : 1);
    scanner->text.len = (size_t)(scanner->at - scanner->text.ptr);
    skip(scanner, 1);
}

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static void next(struct scanner *scanner) {
    skip_blank(scanner);
    char c = peek(scanner, 0);
    int level = long_level(scanner);
    if (scanner->at >= scanner->end) {
        scanner->type = TOKEN_END;
    } else if (c == '"' || c == '\'') {
        scanner->type = TOKEN_STRING;
        scan_quoted(scanner, c);
    } else if (level >= 0) {
        scanner->type = TOKEN_STRING;
        skip_long(scanner, level);
    } else {
        scanner->type = is_name(c) && !isdigit((unsigned char)c) ? TOKEN_NAME : TOKEN_OTHER;
        scanner->text = (struct slice){scanner->at, 0};
        do skip(scanner, 1);
        while (is_name(c) && is_name(peek(scanner, 0)));
        scanner->text.len = (size_t)(scanner->at - scanner->text.ptr);
    }
}

static bool at(const struct scanner *scanner, const char *text) {
    return (scanner->type == TOKEN_NAME || scanner->type == TOKEN_OTHER) && slice_is(scanner->text, text);
}

/* How a token changes the nesting of brackets and blocks. */
static int nesting(const struct scanner *scanner) {
    static const char *const openers[] = {"{", "(", "[", "function", "if", "do", "repeat", NULL};
    static const char *const closers[] = {"}", ")", "]", "end", "until", NULL};
    for (const char *const *word = openers; *word; word++)
        if (at(scanner, *word)) return 1;
    for (const char *const *word = closers; *word; word++)
        if (at(scanner, *word)) return -1;
    return 0;
}

/* To the ',', ';' or '}' that ends the expression at hand. */
static void skip_expression(struct scanner *scanner) {
    for (int depth = 0; scanner->type != TOKEN_END; next(scanner)) {
        if (depth == 0 && (at(scanner, ",") || at(scanner, ";") || at(scanner, "}"))) return;
        depth += nesting(scanner);
    }
}

static struct value *item(struct value *table, unsigned index) {
    for (struct value *child = table ? table->first : NULL; child; child = child->next)
        if (!child->key && index-- == 0) return child;
    return NULL;
}

static struct value *named(struct value *table, struct slice name) {
    for (struct value *child = table ? table->first : NULL; child; child = child->next)
        if (child->key && slice_is(name, child->key)) return child;
    return NULL;
}

static void set_lines(struct value *value, unsigned line) {
    if (!value) return;
    value->line = line;
    for (struct value *child = value->first; child; child = child->next) set_lines(child, line);
}

/* A field's name, if it has one: NAME = or ["NAME"] =. The scanner is left at the value. */
static bool scan_key(struct scanner *scanner, struct slice *name_r) {
    struct scanner before = *scanner;
    bool bracket = at(scanner, "[");
    if (bracket) next(scanner);
    bool named_field = bracket ? scanner->type == TOKEN_STRING : scanner->type == TOKEN_NAME;
    *name_r = scanner->text;
    next(scanner);
    if (bracket && named_field) {
        named_field = at(scanner, "]");
        next(scanner);
    }
    if (named_field && at(scanner, "=") && peek(scanner, 0) != '=') {
        next(scanner);
        return true;
    }
    *scanner = before;
    return false;
}

enum { DEPTH_MAX = 32 };

/* The scanner is at '{' and is left behind '}'. */
static void scan_table(struct scanner *scanner, struct value *table, unsigned depth) {
    next(scanner);
    for (unsigned items = 0; scanner->type != TOKEN_END && !at(scanner, "}");) {
        unsigned line = scanner->line;
        struct slice name;
        struct value *child = scan_key(scanner, &name) ? named(table, name) : item(table, items++);
        set_lines(child, line);
        if (at(scanner, "{") && depth < DEPTH_MAX) scan_table(scanner, child, depth + 1);
        skip_expression(scanner);
        if (!at(scanner, "}")) next(scanner);
    }
    next(scanner);
}

/* Sorts as in the file, so that the first mistake there is reported. Lua keeps no order. */
static void sort_by_line(struct value *table) {
    struct value *sorted = NULL;
    while (table->first) {
        struct value *child = table->first, **at = &sorted;
        table->first = child->next;
        while (*at && (*at)->line <= child->line) at = &(*at)->next;
        child->next = *at;
        *at = child;
        sort_by_line(child);
    }
    table->first = sorted;
}

void key_lines_each_env(struct slice text, void (*fn)(void *owner, unsigned line, struct slice name), void *owner) {
    struct scanner scanner = {.at = text.ptr, .end = text.ptr + text.len, .line = 1};
    next(&scanner);
    while (scanner.type != TOKEN_END) {
        bool is_env = at(&scanner, "env");
        next(&scanner);
        if (is_env && at(&scanner, "(")) next(&scanner);
        if (!is_env || scanner.type != TOKEN_STRING) continue;
        struct scanner name = scanner;
        next(&scanner);
        if (at(&scanner, ")")) next(&scanner);
        if (!at(&scanner, "or")) fn(owner, name.line, name.text);
    }
}

void key_lines_add(struct value *tree, struct slice text) {
    struct scanner scanner = {.at = text.ptr, .end = text.ptr + text.len, .line = 1}, found = {0};
    int depth = 0;
    for (next(&scanner); scanner.type != TOKEN_END; next(&scanner)) {
        if (depth == 0 && at(&scanner, "return")) found = scanner;
        depth += nesting(&scanner);
    }
    if (!found.at) return;
    next(&found);
    set_lines(tree, found.line);
    if (at(&found, "{")) scan_table(&found, tree, 0);
    sort_by_line(tree);
}
