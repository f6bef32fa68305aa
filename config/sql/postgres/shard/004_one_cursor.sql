-- SPDX-License-Identifier: Apache-2.0
-- A reader has one cursor. Planned as the thousand rows that PostgreSQL takes a function to return, reading a hundred
-- events looked expensive enough to be compiled first (jit), which took hundreds of times as long as reading them.
ALTER FUNCTION stoa_cursor(text, bigint, text) ROWS 1;
