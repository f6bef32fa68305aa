/* SPDX-License-Identifier: Apache-2.0 */
/* store_changes.h - the part of the store contract (tests/core/test_store.c) for edits, deletes and reactions. */
#ifndef TESTS_STORE_CHANGES_H
#define TESTS_STORE_CHANGES_H

void an_edit_carries_the_message_and_not_its_reactions(void **state);
void deleted_content_is_nowhere_any_more(void **state);
void a_deleted_message_cannot_be_changed(void **state);
void a_reaction_counts_once(void **state);
void a_message_has_so_many_reactions_and_a_user_so_many_of_them(void **state);
void reactions_are_grouped_by_emoji(void **state);

#endif
