-- SPDX-License-Identifier: Apache-2.0
-- Planned once for all sizes of batches: with few messages in one PostgreSQL would plan it anew at each call, which costs
-- more than the append.
ALTER FUNCTION stoa_append_messages(bigint, boolean, text[], text[], text[], bigint[], text[], text[], text[], text[],
    bigint[]) SET plan_cache_mode = force_generic_plan;
