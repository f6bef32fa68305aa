# SPDX-License-Identifier: Apache-2.0
# The parts of the library that are nicer in Lua are built in: lua/stoa/*.lua becomes the C table `embedded`.
function(stoa_embed target folder name)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.lua)
  set(out ${CMAKE_BINARY_DIR}/${name}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DFOLDER=${CMAKE_SOURCE_DIR}/${folder} -DNAME=${name}
      -P ${CMAKE_SOURCE_DIR}/lua/embed.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/lua/embed.cmake)
  target_sources(${target} PRIVATE ${out})
endfunction()

stoa_embed(stoa_lua lua/stoa embedded)
target_include_directories(stoa_lua PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(stoa_lua PUBLIC m)
if((STOA_SANITIZE AND NOT STOA_SANITIZE STREQUAL thread) OR STOA_FUZZ)
  # Scripts' numbers are doubles: one that an integer cannot hold must be seen before it becomes one. GCC does not count
  # it to "undefined".
  target_compile_options(stoa_lua PRIVATE -fsanitize=float-cast-overflow -fno-sanitize-recover=float-cast-overflow)
endif()

# A client without sockets, for stoa.testing and the tests of core.
add_library(stoa_local_client STATIC lua/testing/local_client.c)
target_include_directories(stoa_local_client PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(stoa_local_client PUBLIC stoa_session)

# require "stoa.testing" for busted: the whole core in a module that LuaJIT loads (LUA_CPATH=build/lua/?.so).
add_library(stoa_testing MODULE lua/testing/testing.c lua/testing/client.c lua/testing/odd_store.c)
stoa_embed(stoa_testing lua/testing testing_embedded)
target_link_libraries(stoa_testing PRIVATE stoa_local_client stoa_lua)
set_target_properties(stoa_testing PROPERTIES PREFIX "" OUTPUT_NAME testing
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lua/stoa)
