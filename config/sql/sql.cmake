# SPDX-License-Identifier: Apache-2.0
# The schemas' migrations are built in.

# stoa_migrations(FOLDER NAME HEADER): a table of config/sql/FOLDER/*.sql.
function(stoa_migrations folder name header)
  set(source ${CMAKE_SOURCE_DIR}/config/sql/${folder})
  set(out ${CMAKE_BINARY_DIR}/${name}.c)
  file(GLOB scripts CONFIGURE_DEPENDS ${source}/*.sql)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DFOLDER=${source} -DNAME=${name} -DHEADER=${header}
      -P ${CMAKE_SOURCE_DIR}/config/sql/embed.cmake
    DEPENDS ${scripts} ${CMAKE_SOURCE_DIR}/config/sql/embed.cmake)
  target_sources(stoa_store PRIVATE ${out})
endfunction()

stoa_migrations(sqlite sqlite_migrations store/sqlite/db.h)
stoa_migrations(postgres/global postgres_global_migrations store/postgres/migrate.h)
stoa_migrations(postgres/shard postgres_shard_migrations store/postgres/migrate.h)
