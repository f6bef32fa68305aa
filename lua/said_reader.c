/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/said_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/memory.h"
#include "lua/bind_internal.h"
#include "store/store.h"
#include "wire/json.h"
#include "worker/worker.h"

enum { USERS_MAX = 1000 };

/* The calls since the last read, and the users they asked about. */
struct said_batch {
    struct said_reader *reader;
    struct list askers;
    unsigned len;
    struct store_request *request; /* NULL: the store has it */
};

struct said_asker {
    struct list link;
    struct task_ticket *ticket;
    size_t id_len;
    char id[];
};

/* Lives until its scripts are freed and its last read has ended. */
struct said_reader {
    struct store *store;
    struct said_batch *open; /* calls since the last read began; NULL: none */
    unsigned reads;          /* under way */
    bool is_closed;
};

struct said_answer {
    enum store_status status;
    struct slice word;
};

static int push_answer(lua_State *L, void *owner) {
    const struct said_answer *answer = owner;
    if (answer->status != STORE_OK) return bind_fail(L, bind_store_word((int)answer->status));
    script_json_push(L, answer->word, NULL, 0);
    return 1;
}

static bool is_of(struct slice word, const struct said_asker *asker, struct buffer *id) {
    buffer_clear(id);
    json_string(json_member(word, "userId"), id);
    return slice_equal(buffer_slice(id), (struct slice){asker->id, asker->id_len});
}

/* words: a JSON array in the order of the askers; users without a stored status have no entry. */
static void batch_end(struct said_batch *batch, enum store_status status, struct slice words) {
    struct json_walk walk;
    struct buffer id = {0};
    struct slice word;
    json_walk_init(&walk, words);
    bool has_word = json_walk_item(&walk, &word);
    LIST_EACH(&batch->askers, link) {
        struct said_asker *asker = CONTAINER(link, struct said_asker, link);
        bool is_theirs = has_word && is_of(word, asker, &id);
        struct said_answer answer = {status != STORE_OK ? status : is_theirs ? STORE_OK : STORE_NOT_FOUND, word};
        task_answer(&asker->ticket, push_answer, &answer);
        if (is_theirs) has_word = json_walk_item(&walk, &word);
        free(asker);
    }
    buffer_done(&id);
    store_request_free(&batch->request);
    free(batch);
}

static void read_open(struct said_reader *reader);

static void words_read(struct store_request *request) {
    struct said_batch *batch = request->owner;
    struct said_reader *reader = batch->reader;
    batch_end(batch, request->status, request->status == STORE_OK ? buffer_slice(&request->json) : SLICE("[]"));
    reader->reads--;
    if (reader->is_closed && reader->reads == 0)
        free(reader);
    else if (reader->open)
        read_open(reader);
}

static void read_open(struct said_reader *reader) {
    struct said_batch *batch = reader->open;
    reader->open = NULL;
    reader->reads++;
    store_submit(reader->store, &batch->request);
}

static struct said_reader *reader_of(struct script_state *scripts) {
    if (scripts->made.said) return scripts->made.said;
    scripts->made.said = NEW(struct said_reader);
    scripts->made.said->store = scripts->worker->store;
    return scripts->made.said;
}

static void batch_add(struct said_reader *reader, struct task_ticket *ticket, struct slice user_id) {
    struct said_asker *asker = memory_new(sizeof *asker + user_id.len);
    if (!reader->open) {
        reader->open = NEW(struct said_batch);
        reader->open->reader = reader;
        reader->open->request = store_request_new(STORE_WORDS, words_read, reader->open);
        list_init(&reader->open->askers);
    }
    struct said_batch *batch = reader->open;
    asker->ticket = ticket;
    asker->id_len = user_id.len;
    memcpy(asker->id, user_id.ptr, user_id.len);
    list_append(&batch->askers, &asker->link);
    batch->len++;
    store_ids_add(batch->request, user_id);
}

int said_reader_ask(lua_State *L, struct slice user_id) {
    (void)script_state_worker(L);
    struct said_reader *reader = reader_of(script_state_of(L));
    batch_add(reader, task_begin_wait(L), user_id);
    if (reader->reads == 0 || reader->open->len == USERS_MAX) read_open(reader);
    return task_wait(L, 0);
}

void said_reader_free(struct said_reader **owned) {
    struct said_reader *reader = *owned;
    *owned = NULL;
    if (!reader) return;
    if (reader->open) batch_end(reader->open, STORE_UNAVAILABLE, SLICE("[]")); /* no task waits any more */
    reader->open = NULL;
    reader->is_closed = true;
    if (reader->reads == 0) free(reader);
}
