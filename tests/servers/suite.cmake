# SPDX-License-Identifier: Apache-2.0
# Real servers as ctest fixtures: each starts once, for the tests that require it.
file(GLOB server_kinds CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/servers/*.cmake)
list(REMOVE_ITEM server_kinds ${CMAKE_CURRENT_LIST_FILE})
foreach(kind ${server_kinds})
  include(${kind})
endforeach()
