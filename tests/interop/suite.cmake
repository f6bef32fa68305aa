# SPDX-License-Identifier: Apache-2.0
# The clients that need no toolchain besides the build's; `./dev nightly clients` runs all clients.
find_program(NODE node REQUIRED)
# stoa_interop(NAME CLIENT…)
function(stoa_interop name)
  add_test(NAME interop/${name} COMMAND ${NODE} --test-reporter=spec ${CMAKE_SOURCE_DIR}/tests/interop/${name}.test.mjs ${ARGN}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(interop/${name} PROPERTIES TIMEOUT 300 LABELS scene ENVIRONMENT
    "STOA_BINARY=$<TARGET_FILE:stoa>;ASAN_OPTIONS=detect_stack_use_after_return=0")
endfunction()
stoa_interop(clients python libwebsockets)
stoa_interop(socketio javascript python bare)
stoa_interop(page javascript python bare)
stoa_interop(readme)
