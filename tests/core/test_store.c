/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of store.h, which every driver must keep. */
#include "support/store_asking.h"
#include "support/store_changes.h"
#include "support/store_contract.h"

static void each_event_takes_the_next_number(void **state) {
    struct answer *first = SAY(*state, "hall", "alice", "c1", "m1", "\"one\"");
    struct answer *second = SAY(*state, "hall", "bob", "c1", "m2", "\"two\"");
    struct answer *edit =
        ASK(*state, STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "bob", "", "m2", "\"2\""));
    assert_status(first, STORE_OK);
    assert_int_equal(first->seq, 1);
    assert_int_equal(second->seq, 2);
    assert_int_equal(edit->seq, 3);
    assert_true(strncmp(first->epoch, "1-", 2) == 0);
    assert_string_equal(edit->message_id, "m2");
    assert_string_equal(edit->created_at, second->created_at);
    assert_int_equal(strlen(first->created_at), strlen("2024-01-31T00:00:00.000Z"));
}

static void channels_number_apart(void **state) {
    ASK(*state, STORE_CHANNEL_PUT, .channel_id = S("yard"));
    SAY(*state, "hall", "alice", "", "m1", "1");
    assert_int_equal(SAY(*state, "yard", "alice", "", "m1", "1")->seq, 1);
}

static void an_unknown_channel_is_not_found(void **state) {
    assert_status(SAY(*state, "nowhere", "alice", "c1", "m1", "1"), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_EVENTS, .channel_id = S("nowhere")), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_CHANNEL, .channel_id = S("nowhere")), STORE_NOT_FOUND);
}

static void ids_compare_byte_by_byte(void **state) {
    assert_status(SAY(*state, "Hall", "alice", "c1", "m1", "1"), STORE_NOT_FOUND);
    assert_int_equal(SAY(*state, "hall", "alice", "c1", "m1", "1")->seq, 1);
    assert_int_equal(SAY(*state, "hall", "Alice", "c1", "m2", "1")->seq, 2);
    assert_int_equal(SAY(*state, "hall", "alice", "C1", "m3", "1")->seq, 3);
}

static void retry_with_the_same_client_id_gets_the_same_seq(void **state) {
    struct answer *first = SAY(*state, "hall", "alice", "c1", "m1", "\"hello\"");
    SAY(*state, "hall", "bob", "c1", "m2", "\"hi\"");
    struct answer *again = SAY(*state, "hall", "alice", "c1", "m3", "\"hello\"");
    assert_status(again, STORE_OK);
    assert_true(again->duplicate);
    assert_int_equal(again->seq, first->seq);
    assert_string_equal(again->epoch, first->epoch);
    assert_string_equal(again->message_id, "m1");
    assert_string_equal(again->created_at, first->created_at);
    assert_string_equal(again->json, first->json);
    assert_int_equal(ASK(*state, STORE_CHANNEL, .channel_id = S("hall"))->seq, 2);
}

static void retries_in_one_batch_are_stored_once(void **state) {
    struct answer *answers[20];
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%d", i);
        answers[i] = SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "c1", id, "\"hello\""));
    }
    asking_wait(*state);
    for (int i = 0; i < 20; i++) {
        assert_status(answers[i], STORE_OK);
        assert_int_equal(answers[i]->seq, 1);
        assert_int_equal(answers[i]->duplicate, i > 0);
    }
}

static void a_client_id_used_for_something_else_is_a_conflict(void **state) {
    SAY(*state, "hall", "alice", "c1", "m1", "\"hello\"");
    assert_status(SAY(*state, "hall", "alice", "c1", "m2", "\"hello!\""), STORE_CONFLICT);
    assert_status(
        ASK(*state, STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "alice", "c1", "m1", "\"hello\"")),
        STORE_CONFLICT);
    assert_status(
        ASK(*state, STORE_APPEND, SAYING("hall", "alice", "c1", "m2", "\"hello\""), .append.thread_id = S("m1")),
        STORE_CONFLICT);
    assert_int_equal(ASK(*state, STORE_CHANNEL, .channel_id = S("hall"))->seq, 1);
}

static void what_was_appended_is_known(void **state) {
    SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "c1", "m1", "\"hello\""));
    struct answer *at_once = SUBMIT(*state, STORE_APPENDED, SAYING("hall", "alice", "c1", "", "\"hello\""));
    asking_wait(*state);
    assert_status(at_once, STORE_OK);
    assert_status(ASK(*state, STORE_APPENDED, SAYING("hall", "alice", "c1", "", "\"hello!\"")), STORE_CONFLICT);
    assert_status(ASK(*state, STORE_APPENDED, SAYING("hall", "alice", "c2", "", "\"hello\"")), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_APPENDED, SAYING("hall", "bob", "c1", "", "\"hello\"")), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_APPENDED, SAYING("yard", "alice", "c1", "", "\"hello\"")), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_APPENDED, SAYING("hall", "alice", "", "", "\"hello\"")), STORE_BAD);
    assert_int_equal(ASK(*state, STORE_CHANNEL, .channel_id = S("hall"))->seq, 1);
}

static void a_retry_is_known_by_what_was_said_whatever_was_stored(void **state) {
    ASK(*state, STORE_APPEND, SAYING("hall", "alice", "c1", "m1", "\"d***\""), .append.fingerprint = 7);
    assert_status(ASK(*state, STORE_APPENDED, SAYING("hall", "alice", "c1", "", "\"damn\""), .append.fingerprint = 7),
                  STORE_OK);
    struct answer *again =
        ASK(*state, STORE_APPEND, SAYING("hall", "alice", "c1", "m2", "\"damn\""), .append.fingerprint = 7);
    assert_true(again->duplicate);
    assert_has(again, "d***");
    assert_status(SAY(*state, "hall", "alice", "c1", "m2", "\"d***\""), STORE_CONFLICT);
}

static void without_a_client_id_equal_messages_are_two(void **state) {
    assert_int_equal(SAY(*state, "hall", "alice", "", "m1", "\"hello\"")->seq, 1);
    assert_int_equal(SAY(*state, "hall", "alice", "", "m2", "\"hello\"")->seq, 2);
}

static void a_refused_append_takes_no_number(void **state) {
    SAY(*state, "hall", "alice", "c1", "m1", "1");
    assert_status(SAY(*state, "hall", "alice", "c2", "m1", "2"), STORE_BAD); /* the message's id is taken */
    assert_status(ASK(*state, STORE_APPEND, .append.kind = STORE_DELETE, .channel_id = S("hall"), .user_id = S("bob"),
                      .append.message_id = S("m9")),
                  STORE_NOT_FOUND);
    assert_int_equal(SAY(*state, "hall", "alice", "c2", "m2", "2")->seq, 2);
}

static void bad_text_does_not_fail_its_batch_neighbours(void **state) {
    struct answer *before = SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "c1", "m1", "1"));
    struct answer *nul =
        SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "c2", "m2", "2"), .append.thread_id = SLICE("a\0b"));
    struct answer *latin = SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice\xe9", "c3", "m3", "3"));
    struct answer *broken = SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "c4", "m4", "{\"a\":"));
    struct answer *taken = SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "c5", "m1", "5"));
    struct answer *after = SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "c6", "m6", "6"));
    asking_wait(*state);
    assert_status(nul, STORE_BAD);
    assert_status(latin, STORE_BAD);
    assert_status(broken, STORE_BAD);
    assert_status(taken, STORE_BAD);
    assert_int_equal(before->seq, 1);
    assert_int_equal(after->seq, 2);
}

/* Longer than a database's index accepts, in one batch with valid ones. */
static void what_is_too_long_is_refused_alone(void **state) {
    static char text[8001];
    memset(text, 'x', sizeof text - 1);
    struct slice most = {text, STORE_ID_MAX}, more = {text, STORE_ID_MAX + 1}, much = {text, 8000};
#define SAYS(...) SUBMIT(*state, STORE_APPEND, __VA_ARGS__)
    struct answer *good[] = {
        SAYS(SAYING("hall", "alice", "c1", "m1", "1")),
        SAYS(SAYING("hall", "alice", "c2", "m2", "2"), .append.thread_id = most),
        SAYS(.channel_id = S("hall"), .user_id = {text, STORE_USER_ID_MAX}, .append.client_id = most,
             .append.message_id = {text, STORE_MESSAGE_ID_MAX}, .append.content = S("3"))};
    struct answer *bad[] = {
        SAYS(.channel_id = S("hall"), .user_id = S("alice"), .append.client_id = much, .append.message_id = S("b1"),
             .append.content = S("1")),
        SAYS(.channel_id = S("hall"), .user_id = S("alice"), .append.client_id = more, .append.message_id = S("b2"),
             .append.content = S("1")),
        SAYS(.channel_id = S("hall"), .user_id = {text, STORE_USER_ID_MAX + 1}, .append.message_id = S("b3"),
             .append.content = S("1")),
        SAYS(.channel_id = S("hall"), .user_id = S("alice"), .append.message_id = {text, STORE_MESSAGE_ID_MAX + 1},
             .append.content = S("1")),
        SAYS(SAYING("hall", "alice", "b5", "b5", "1"), .append.thread_id = more),
        SAYS(.channel_id = more, .user_id = S("alice"), .append.message_id = S("b6"), .append.content = S("1")),
        SAYS(.append.kind = STORE_REACTION_ADD, SAYING("hall", "alice", "b7", "m1", ""),
             .append.emoji = {text, STORE_EMOJI_MAX + 1}),
        SUBMIT(*state, STORE_USER_PUT, .user_id = S("alice"), .user.name = much),
        SUBMIT(*state, STORE_CHANNEL_PUT, .channel_id = S("yard"), .channel.name = much),
        SUBMIT(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("alice"), .member.role = more),
        SUBMIT(*state, STORE_SESSION_PUT, .session.token = much, .user_id = S("alice"), .session.expires_ms = 1),
        SUBMIT(*state, STORE_EVENTS, .channel_id = S("hall"), .events.epoch = much),
    };
#undef SAYS
    asking_wait(*state);
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) assert_int_equal(good[i]->seq, i + 1);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) assert_status(bad[i], STORE_BAD);
}

/* A list holds ids from many users. */
static void an_id_that_is_too_long_costs_nobody_else_of_its_list(void **state) {
    struct buffer list = {0};
    buffer_printf(&list, "[\"bob\",\"%0*d\",\"hall\",\"\",7,\"a\\u0000b\",\"dora\"]", 8000, 0);
    assert_status(asking_list(*state, STORE_USERS_SEEN, buffer_slice(&list)), STORE_OK);
    struct answer *users = asking_list(*state, STORE_USERS, buffer_slice(&list));
    assert_has(users, "\"userId\":\"bob\"");
    assert_has(users, "\"userId\":\"dora\"");
    assert_has_not(users, "00000");
    assert_has(asking_list(*state, STORE_HEADS, buffer_slice(&list)), "[\"hall\",0,");
    buffer_done(&list);
}

static void one_senders_order_is_the_order_of_the_log(void **state) {
    struct answer *answers[700];
    for (int i = 0; i < 700; i++) {
        char id[8], text[8];
        snprintf(id, sizeof(id), "m%d", i);
        snprintf(text, sizeof(text), "%d", i);
        answers[i] = SUBMIT(*state, STORE_APPEND, SAYING("hall", i % 2 ? "alice" : "bob", id, id, text));
    }
    asking_wait(*state);
    for (int i = 0; i < 700; i++) assert_int_equal(answers[i]->seq, i + 1);
}

static void a_new_message_is_told_as_the_protocol_says(void **state) {
    struct answer *said = ASK(*state, STORE_APPEND, SAYING("hall", "alice", "c1", "m1", "{ \"t\" : \"\\u00e9\" }"),
                              .append.thread_id = S("m0"), .append.attachments = S("[ 1.50 ]"));
    char expected[512];
    snprintf(expected, sizeof(expected),
             "[\"message:new\",{\"id\":\"m1\",\"channelId\":\"hall\",\"userId\":\"alice\",\"content\":{ \"t\" : "
             "\"\\u00e9\" },\"threadId\":\"m0\",\"attachments\":[ 1.50 ],\"createdAt\":\"%s\",\"messageSeq\":1,\"seq\":"
             "1,\"epoch\":\"%s\"}]",
             said->created_at, said->epoch);
    assert_string_equal(said->json, expected);
    struct answer *read = ASK(*state, STORE_EVENTS, .channel_id = S("hall"));
    assert_int_equal(strlen(read->json), strlen(expected) + 2);
    assert_has(read, expected);
}

/* The texts appear in this order. */
static void assert_order(const struct answer *answer, const char *const *texts, size_t len) {
    const char *at = answer->json;
    for (size_t i = 0; i < len; i++) {
        const char *found = strstr(at, texts[i]);
        if (!found) fail_msg("%s is not there, or too early, in %s", texts[i], answer->json);
        at = found;
    }
}

static void the_log_tells_each_event_as_it_was(void **state) {
    SAY(*state, "hall", "alice", "c1", "m1", "\"one\"");
    SAY(*state, "hall", "alice", "c2", "m2", "\"two\"");
    ASK(*state, STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "alice", "c3", "m1", "\"uno\""));
    SAY(*state, "hall", "bob", "c4", "m3", "\"three\"");
    ASK(*state, STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "alice", "c5", "m1", "\"eins\""));
    static const char *const told[] = {"\"one\"",    "\"seq\":1,", "\"two\"",    "\"seq\":2,", "\"uno\"",
                                       "\"seq\":3,", "\"three\"",  "\"seq\":4,", "\"eins\"",   "\"seq\":5,"};
    assert_order(ASK(*state, STORE_EVENTS, .channel_id = S("hall")), told, 10);
    assert_order(ASK(*state, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 2), told + 4, 6);
    assert_has(ASK(*state, STORE_MESSAGE, .channel_id = S("hall"), .messages.message_id = S("m1")), "\"eins\"");
    /* A retry gets the first answer, and takes no number. */
    struct answer *again = SAY(*state, "hall", "alice", "c1", "new", "\"one\"");
    assert_true(again->duplicate);
    assert_int_equal(again->seq, 1);
    assert_has(again, "\"content\":\"one\"");
    assert_int_equal(SAY(*state, "hall", "alice", "c6", "m4", "\"four\"")->seq, 6);
    /* Neither does a change without effect. */
    for (int i = 0; i < 2; i++) {
        again = ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_ADD, SAYING("hall", "bob", "", "m1", ""),
                    .append.emoji = S("+1"));
        assert_int_equal(again->seq, 7);
        assert_int_equal(SAY(*state, "hall", "bob", "", i ? "m6" : "m5", "\"more\"")->seq, 8 + i);
    }
}

static void say_numbers(struct asking *asking, int count, const char *thread) {
    for (int i = 1; i <= count; i++) {
        char id[8], text[8];
        snprintf(id, sizeof(id), "m%d", i);
        snprintf(text, sizeof(text), "%d", i);
        SUBMIT(asking, STORE_APPEND, SAYING("hall", "alice", "", id, text),
               .append.thread_id = i % 2 ? SLICE_NONE : S(thread));
    }
    asking_wait(asking);
}

static void resume_continues_without_a_gap(void **state) {
    say_numbers(*state, 5, "");
    struct answer *part = ASK(*state, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 1, .events.limit = 2);
    assert_has(part, "\"seq\":2,");
    assert_has(part, "\"seq\":3,");
    assert_has_not(part, "\"seq\":1,");
    assert_has_not(part, "\"seq\":4,");
    assert_true(part->more);
    assert_int_equal(part->seq, 5);
    assert_int_equal(part->fork, -1);
    struct answer *rest =
        ASK(*state, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 3, .events.epoch = S(part->epoch));
    assert_has(rest, "\"seq\":5,");
    assert_false(rest->more);
    assert_int_equal(rest->fork, -1);
    struct answer *none =
        ASK(*state, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 5, .events.epoch = S(part->epoch));
    assert_string_equal(none->json, "[]");
}

static void a_cursor_beyond_the_head_is_reset(void **state) {
    say_numbers(*state, 2, "");
    struct answer *head = ASK(*state, STORE_CHANNEL, .channel_id = S("hall"));
    struct answer *beyond =
        ASK(*state, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 7, .events.epoch = S(head->epoch));
    assert_int_equal(beyond->fork, 2);
    assert_string_equal(beyond->json, "[]");
}

static void a_cursor_of_a_strange_epoch_starts_over(void **state) {
    say_numbers(*state, 2, "");
    const char *strange[] = {"1-00000000", "9-00000000", "nonsense", "-", "1-"};
    for (int i = 0; i < 5; i++) {
        struct answer *reset =
            ASK(*state, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 2, .events.epoch = S(strange[i]));
        assert_int_equal(reset->fork, 0);
        assert_has(reset, "\"seq\":1,");
    }
}

static void a_large_answer_ends_early_and_says_so(void **state) {
    char *text = memory_new(400002);
    memset(text, 'x', 400001);
    text[0] = text[400000] = '"';
    text[400001] = '\0';
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%d", i);
        text[1] = (char)('a' + i);
        text[400001] = '\0';
        SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "", id, text));
    }
    asking_wait(*state);
    free(text);
    struct answer *events = ASK(*state, STORE_EVENTS, .channel_id = S("hall"));
    assert_true(events->more);
    assert_has(events, "\"seq\":3,");
    assert_has_not(events, "\"seq\":4,");
    struct answer *newest = ASK(*state, STORE_MESSAGES, .channel_id = S("hall"));
    assert_true(newest->more);
    assert_has(newest, "\"messageSeq\":6}");
    assert_has_not(newest, "\"messageSeq\":3}");
}

static void history_pages_both_ways(void **state) {
    say_numbers(*state, 9, "");
    struct answer *newest = ASK(*state, STORE_MESSAGES, .channel_id = S("hall"), .messages.limit = 2);
    assert_true(newest->more);
    const char *first = strstr(newest->json, "\"messageSeq\":8}"), *second = strstr(newest->json, "\"messageSeq\":9}");
    assert_true(first && second && first < second);
    struct answer *before =
        ASK(*state, STORE_MESSAGES, .channel_id = S("hall"), .messages.before = 3, .messages.limit = 2);
    assert_has(before, "\"messageSeq\":1}");
    assert_has(before, "\"messageSeq\":2}");
    assert_false(before->more);
    struct answer *after =
        ASK(*state, STORE_MESSAGES, .channel_id = S("hall"), .messages.after = 3, .messages.limit = 2);
    assert_has(after, "\"messageSeq\":4}");
    assert_has(after, "\"messageSeq\":5}");
    assert_has_not(after, "\"messageSeq\":6}");
    assert_true(after->more);
    assert_string_equal(ASK(*state, STORE_MESSAGES, .channel_id = S("hall"), .messages.after = 9)->json, "[]");
}

static void a_thread_is_read_apart(void **state) {
    say_numbers(*state, 9, "m1");
    struct answer *thread =
        ASK(*state, STORE_MESSAGES, .channel_id = S("hall"), .messages.message_id = S("m1"), .messages.limit = 3);
    assert_true(thread->more);
    assert_has(thread, "\"messageSeq\":4}");
    assert_has(thread, "\"messageSeq\":8}");
    assert_has_not(thread, "\"messageSeq\":7}");
    struct answer *after = ASK(*state, STORE_MESSAGES, .channel_id = S("hall"), .messages.message_id = S("m1"),
                               .messages.after = 6, .messages.limit = 3);
    assert_false(after->more);
    assert_has(after, "\"messageSeq\":8}");
    assert_has_not(after, "\"messageSeq\":6}");
}

static void a_channel_keeps_what_is_not_said_anew(void **state) {
    ASK(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("alice"), .member.role = S("owner"));
    ASK(*state, STORE_CHANNEL_PUT, .channel_id = S("hall"), .channel.name = S("The \"Hall\""));
    struct answer *channel = ASK(*state, STORE_CHANNEL, .channel_id = S("hall"));
    assert_has(
        channel,
        "{\"channelId\":\"hall\",\"name\":\"The \\\"Hall\\\"\",\"visibility\":\"public\",\"seq\":0,\"epoch\":\"1-");
    assert_has(channel, "\"members\":1}");
}

static void members_come_and_go(void **state) {
    assert_status(
        ASK(*state, STORE_MEMBER_PUT, .channel_id = S("nowhere"), .user_id = S("bob"), .member.role = S("member")),
        STORE_NOT_FOUND);
    ASK(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    ASK(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("alice"), .member.role = S("owner"));
    ASK(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("moderator"));
    assert_string_equal(ASK(*state, STORE_MEMBERS, .channel_id = S("hall"))->json,
                        "[{\"userId\":\"alice\",\"role\":\"owner\"},{\"userId\":\"bob\",\"role\":\"moderator\"}]");
    assert_string_equal(ASK(*state, STORE_MEMBER, .channel_id = S("hall"), .user_id = S("bob"))->json,
                        "{\"userId\":\"bob\",\"role\":\"moderator\"}");
    assert_status(ASK(*state, STORE_MEMBER_DELETE, .channel_id = S("hall"), .user_id = S("bob")), STORE_OK);
    assert_status(ASK(*state, STORE_MEMBER_DELETE, .channel_id = S("hall"), .user_id = S("bob")), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_MEMBER, .channel_id = S("hall"), .user_id = S("bob")), STORE_NOT_FOUND);
}

static void a_read_mark_never_moves_back(void **state) {
    ASK(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    say_numbers(*state, 5, "");
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":0,\"unread\":5}");
    ASK(*state, STORE_READ_MARK, .channel_id = S("hall"), .user_id = S("bob"), .member.read_seq = 3);
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":3,\"unread\":2}");
    ASK(*state, STORE_READ_MARK, .channel_id = S("hall"), .user_id = S("bob"), .member.read_seq = 2);
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":3,");
    ASK(*state, STORE_READ_MARK, .channel_id = S("hall"), .user_id = S("bob"), .member.read_seq = 99);
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":5,\"unread\":0}");
    assert_status(ASK(*state, STORE_READ_MARK, .channel_id = S("hall"), .user_id = S("carol"), .member.read_seq = 1),
                  STORE_NOT_FOUND);
}

static void heads_are_found_by_a_list_of_channels(void **state) {
    char expected[256];
    ASK(*state, STORE_CHANNEL_PUT, .channel_id = S("yard"));
    say_numbers(*state, 2, "");
    struct answer *heads = asking_list(*state, STORE_HEADS, S("[\"yard\", \"nowhere\", 7, \"hall\"]"));
    const char *epoch = ASK(*state, STORE_CHANNEL, .channel_id = S("hall"))->epoch;
    snprintf(expected, sizeof(expected), "[\"hall\",2,\"%s\"]", epoch);
    assert_has(heads, expected);
    assert_has(heads, "[\"yard\",0,\"1-");
    assert_has_not(heads, "nowhere");
    assert_string_equal(asking_list(*state, STORE_HEADS, S("[]"))->json, "[]");
}

static void unread_are_the_messages_of_others_that_stand(void **state) {
    ASK(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    SAY(*state, "hall", "alice", "", "m1", "1");
    SAY(*state, "hall", "bob", "", "m2", "2");
    SAY(*state, "hall", "alice", "", "m3", "3");
    ASK(*state, STORE_APPEND, .append.kind = STORE_DELETE, SAYING("hall", "alice", "", "m3", ""));
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"seq\":4,");
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":0,\"unread\":1}");
}

static void what_a_reader_says_themselves_is_read(void **state) {
    ASK(*state, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    SAY(*state, "hall", "bob", "", "m1", "1");
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":1,\"unread\":0}");
    SAY(*state, "hall", "alice", "", "m2", "2");
    SAY(*state, "hall", "bob", "", "m3", "3");
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":1,\"unread\":1}");
    ASK(*state, STORE_READ_MARK, .channel_id = S("hall"), .user_id = S("bob"), .member.read_seq = 2);
    assert_has(ASK(*state, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":3,\"unread\":0}");
}

static void users_are_found_by_a_list_of_ids(void **state) {
    ASK(*state, STORE_USER_PUT, .user_id = S("alice"), .user.name = S("Alice"), .user.avatar = S("a.png"));
    asking_list(*state, STORE_USERS_SEEN, S("[\"bob\", \"dora\", \"bob\"]"));
    struct answer *users = asking_list(*state, STORE_USERS, S("[\"alice\", \"bob\", \"carol\"]"));
    assert_has(users,
               "[{\"userId\":\"alice\",\"name\":\"Alice\",\"avatar\":\"a.png\"},{\"userId\":\"bob\",\"name\":\"bob\","
               "\"lastSeen\":\"");
    assert_has_not(users, "carol");
    assert_has(asking_list(*state, STORE_USERS, S("[\"dora\"]")), "\"lastSeen\":\"");
    asking_list(*state, STORE_USERS_SEEN, S("[\"alice\"]"));
    assert_has(asking_list(*state, STORE_USERS, S("[\"alice\"]")), "\"avatar\":\"a.png\",\"lastSeen\":\"");
}

static void what_users_say_is_kept_until_they_say_otherwise_or_it_ends(void **state) {
    int64_t far = INT64_C(4000000000000);
    struct slice both = S("[\"alice\",\"bob\"]");
    assert_string_equal(asking_list(*state, STORE_WORDS, both)->json, "[]");
    ASK(*state, STORE_WORD_PUT, .user_id = S("alice"), .word.status = S("busy"), .word.message = S("exam"),
        .word.ends_ms = far);
    ASK(*state, STORE_WORD_PUT, .user_id = S("bob"), .word.status = S("away"), .word.ends_ms = 1000); /* expired */
    assert_string_equal(
        asking_list(*state, STORE_WORDS, both)->json,
        "[{\"userId\":\"alice\",\"status\":\"busy\",\"statusMessage\":\"exam\",\"endsMs\":4000000000000}]");
    ASK(*state, STORE_WORD_PUT, .user_id = S("alice"), .word.status = S("invisible"));
    ASK(*state, STORE_WORD_PUT, .user_id = S("bob"), .word.status = S("away"));
    assert_string_equal(asking_list(*state, STORE_WORDS, S("[\"bob\",\"carol\",\"alice\"]"))->json,
                        "[{\"userId\":\"bob\",\"status\":\"away\"},{\"userId\":\"alice\",\"status\":\"invisible\"}]");
    assert_string_equal(asking_list(*state, STORE_USERS, S("[\"alice\"]"))->json, "[]");
    ASK(*state, STORE_WORD_PUT, .user_id = S("alice"));
    ASK(*state, STORE_WORD_PUT, .user_id = S("bob"));
    assert_string_equal(asking_list(*state, STORE_WORDS, both)->json, "[]");
}

static void sessions_expire(void **state) {
    int64_t far = INT64_C(4000000000000);
    ASK(*state, STORE_SESSION_PUT, .session.token = S("t1"), .user_id = S("alice"), .session.expires_ms = far);
    ASK(*state, STORE_SESSION_PUT, .session.token = S("t2"), .user_id = S("bob"), .session.expires_ms = 1000);
    assert_string_equal(ASK(*state, STORE_SESSION, .session.token = S("t1"))->json,
                        "{\"userId\":\"alice\",\"expiresAt\":\"2096-10-02T07:06:40.000Z\"}");
    assert_status(ASK(*state, STORE_SESSION, .session.token = S("t2")), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_SESSION, .session.token = S("T1")), STORE_NOT_FOUND);
    assert_has(ASK(*state, STORE_SESSION_DELETE, .session.token = S("t1")), "{\"userId\":\"alice\"");
    assert_status(ASK(*state, STORE_SESSION_DELETE, .session.token = S("t1")), STORE_NOT_FOUND);
    assert_status(ASK(*state, STORE_SESSION, .session.token = S("t1")), STORE_NOT_FOUND);
}

static void the_audit_is_read_newest_first(void **state) {
    ASK(*state, STORE_AUDIT, .user_id = S("alice"), .audit.action = S("kick"), .channel_id = S("hall"),
        .audit.detail = S("{\"who\": 1}"));
    ASK(*state, STORE_AUDIT, .user_id = S("bob"), .audit.action = S("broadcast"));
    struct answer *all = ASK(*state, STORE_AUDITS, .audit.limit = 10);
    const char *newest = strstr(all->json, "\"actor\":\"bob\",\"action\":\"broadcast\"");
    const char *oldest =
        strstr(all->json, "\"actor\":\"alice\",\"action\":\"kick\",\"channelId\":\"hall\",\"detail\":{\"who\": 1}}");
    assert_true(newest && oldest && newest < oldest);
    assert_has_not(ASK(*state, STORE_AUDITS, .channel_id = S("hall")), "broadcast");
    assert_has(ASK(*state, STORE_AUDITS, .channel_id = S("hall")), "kick");
}

static void a_probe_tells_that_writes_are_possible(void **state) {
    assert_status(ASK(*state, STORE_PROBE, ), STORE_OK);
}

static void a_read_sees_the_writes_before_it(void **state) {
    SUBMIT(*state, STORE_APPEND, SAYING("hall", "alice", "", "m1", "1"));
    struct answer *channel = SUBMIT(*state, STORE_CHANNEL, .channel_id = S("hall"));
    asking_wait(*state);
    assert_int_equal(channel->seq, 1);
}

static void a_full_queue_refuses_and_recovers(void **state) {
    struct asking *asking = *state;
    struct answer *refused = NULL;
    char *text = memory_new((size_t)9 << 20);
    memset(text, '1', ((size_t)9 << 20) - 1);
    for (int i = 0; i < 8; i++)
        refused = SUBMIT(asking, STORE_MESSAGES, .channel_id = S("hall"), .messages.message_id = S(text));
    free(text);
    asking_wait(asking);
    assert_status(refused, STORE_UNAVAILABLE);
    assert_status(SAY(asking, "hall", "alice", "", "m1", "1"), STORE_OK);
}

static void closing_completes_what_was_submitted(void **state) {
    struct asking *asking = *state;
    struct answer *answers[100];
    for (int i = 0; i < 100; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%d", i);
        answers[i] = SUBMIT(asking, STORE_APPEND, SAYING("hall", "alice", "", id, "1"));
    }
    store_close(&asking->store, 10000);
    for (int i = 0; i < 100; i++) {
        assert_true(answers[i]->came);
        assert_status(answers[i], STORE_OK);
    }
}

#define TEST(name) \
    { #name, name, contract_set_up, contract_tear_down, NULL }

int main(void) {
    struct CMUnitTest tests[] = {
        TEST(each_event_takes_the_next_number),
        TEST(channels_number_apart),
        TEST(an_unknown_channel_is_not_found),
        TEST(ids_compare_byte_by_byte),
        TEST(retry_with_the_same_client_id_gets_the_same_seq),
        TEST(retries_in_one_batch_are_stored_once),
        TEST(a_client_id_used_for_something_else_is_a_conflict),
        TEST(what_was_appended_is_known),
        TEST(a_retry_is_known_by_what_was_said_whatever_was_stored),
        TEST(without_a_client_id_equal_messages_are_two),
        TEST(a_refused_append_takes_no_number),
        TEST(bad_text_does_not_fail_its_batch_neighbours),
        TEST(what_is_too_long_is_refused_alone),
        TEST(an_id_that_is_too_long_costs_nobody_else_of_its_list),
        TEST(one_senders_order_is_the_order_of_the_log),
        TEST(a_new_message_is_told_as_the_protocol_says),
        TEST(an_edit_carries_the_message_and_not_its_reactions),
        TEST(deleted_content_is_nowhere_any_more),
        TEST(the_log_tells_each_event_as_it_was),
        TEST(a_deleted_message_cannot_be_changed),
        TEST(a_reaction_counts_once),
        TEST(a_message_has_so_many_reactions_and_a_user_so_many_of_them),
        TEST(reactions_are_grouped_by_emoji),
        TEST(resume_continues_without_a_gap),
        TEST(a_cursor_beyond_the_head_is_reset),
        TEST(a_cursor_of_a_strange_epoch_starts_over),
        TEST(a_large_answer_ends_early_and_says_so),
        TEST(history_pages_both_ways),
        TEST(a_thread_is_read_apart),
        TEST(a_channel_keeps_what_is_not_said_anew),
        TEST(members_come_and_go),
        TEST(a_read_mark_never_moves_back),
        TEST(heads_are_found_by_a_list_of_channels),
        TEST(unread_are_the_messages_of_others_that_stand),
        TEST(what_a_reader_says_themselves_is_read),
        TEST(users_are_found_by_a_list_of_ids),
        TEST(what_users_say_is_kept_until_they_say_otherwise_or_it_ends),
        TEST(sessions_expire),
        TEST(the_audit_is_read_newest_first),
        TEST(a_probe_tells_that_writes_are_possible),
        TEST(a_read_sees_the_writes_before_it),
        TEST(a_full_queue_refuses_and_recovers),
        TEST(closing_completes_what_was_submitted),
    };
    return contract_run(tests, sizeof(tests) / sizeof(*tests));
}
