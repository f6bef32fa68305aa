# SPDX-License-Identifier: Apache-2.0
# Memory must not grow with uptime. The long run: build/soak build/stoa tests/soak/soak.lua 1000000 (docs/performance-costs.md). Only in
# the plain build, because sanitizers keep freed memory.
if(TARGET stoa AND NOT STOA_SANITIZE)
  add_executable(soak ${CMAKE_SOURCE_DIR}/tests/soak/soak.c)
  target_link_libraries(soak PRIVATE PkgConfig::SSL)
  add_test(NAME soak/short COMMAND soak $<TARGET_FILE:stoa> ${CMAKE_SOURCE_DIR}/tests/soak/soak.lua 20000)
  add_test(NAME soak/peak COMMAND soak $<TARGET_FILE:stoa> ${CMAKE_SOURCE_DIR}/tests/soak/soak.lua peak)
  set_tests_properties(soak/short soak/peak PROPERTIES LABELS plain TIMEOUT 300)
endif()
