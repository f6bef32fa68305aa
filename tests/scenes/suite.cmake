# SPDX-License-Identifier: Apache-2.0
# Scenes between people: the real server, real clients. One entry per file; npm ci installs the modules of package-lock.json.
find_program(NODE node REQUIRED)
file(GLOB scenes CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/scenes/*.test.mjs)
foreach(scene ${scenes})
  get_filename_component(name ${scene} NAME_WE)
  add_test(NAME scenes/${name} COMMAND ${NODE} --test-reporter=spec ${scene} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(scenes/${name} PROPERTIES TIMEOUT 300 LABELS scene ENVIRONMENT
    "STOA_BINARY=$<TARGET_FILE:stoa>;ASAN_OPTIONS=detect_stack_use_after_return=0")
endforeach()
