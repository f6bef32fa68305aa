# SPDX-License-Identifier: Apache-2.0
# Tests of the Lua part: cmocka programs (test_NAME.c) and busted specs (NAME_spec.lua). The specs also run with an
# aggressive garbage collector.
set(lua_environment "ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=0")
if(STOA_SANITIZE)
  # LuaJIT is built without the sanitizer, so the module's sanitizer must be preloaded.
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libasan.so OUTPUT_VARIABLE asan
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(APPEND lua_environment "LD_PRELOAD=${asan}")
endif()

# stoa_specs(NAME FOLDER GC): runs FOLDER's *_spec.lua on the real core, in one process.
function(stoa_specs name folder gc)
  add_test(NAME ${name} COMMAND busted --lua=luajit --output=plainTerminal --pattern=_spec ${folder}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS unit ENVIRONMENT
    "LUA_CPATH=${CMAKE_BINARY_DIR}/lua/?.so\;\;;STOA_GC=${gc};${lua_environment}")
endfunction()

# stoa_planted_spec(FOLDER FAULT SPEC TEST): with the planted fault FAULT (base/fault.h), TEST of SPEC must fail.
function(stoa_planted_spec folder fault spec test)
  set(name ${folder}/planted_${fault})
  stoa_specs(${name} tests/${folder}/${spec}_spec.lua normal)
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT STOA_FAULT=${fault})
  set_tests_properties(${name} PROPERTIES PASS_REGULAR_EXPRESSION "(Failure|Error) -> .*${test}")
endfunction()

stoa_specs(scripts/busted tests/scripts normal)
if(STOA_FAULTS)
  # A hook that returns nothing counts as a yes.
  stoa_planted_spec(scripts silence_is_yes hooks "the hooks of messages refuse when one returns nothing: send")
  stoa_planted_spec(lua unbounded_conversion values "one call may take: beyond, it is refused before anybody is asked")
endif()
file(GLOB lua_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/lua/test_*.c)
foreach(source ${lua_tests})
  get_filename_component(name ${source} NAME_WE)
  add_executable(lua_${name} ${source})
  target_link_libraries(lua_${name} PRIVATE stoa_lua PkgConfig::CMOCKA)
  add_test(NAME lua/${name} COMMAND lua_${name})
  set_tests_properties(lua/${name} PROPERTIES TIMEOUT 120 LABELS unit ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=0")
endforeach()
stoa_specs(lua/busted tests/lua normal)
if(NOT STOA_SANITIZE) # only without the sanitizer, which keeps freed memory, a test sees what reloads leave behind
  set_tests_properties(lua/busted PROPERTIES LABELS "unit;plain")
endif()
stoa_specs(lua/busted_gc tests/lua aggressive)
