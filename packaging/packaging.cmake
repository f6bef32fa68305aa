# SPDX-License-Identifier: Apache-2.0
# The contents of the packages, and how CPack makes a deb and an rpm: cpack -G "DEB;RPM" in the build folder.
include(GNUInstallDirs)
set(package_build ${CMAKE_BINARY_DIR}/packaging)
set(package_source ${CMAKE_CURRENT_LIST_DIR})

# ---- the configuration: config/stoa.lua with the paths of a package

function(package_configuration out)
  file(READ ${CMAKE_SOURCE_DIR}/config/stoa.lua text)
  foreach(change ${ARGN})
    string(REPLACE "=>" ";" change ${change})
    list(GET change 0 from)
    list(GET change 1 to)
    string(FIND "${text}" "${from}" at)
    if(at EQUAL -1)
      message(FATAL_ERROR "config/stoa.lua no longer says: ${from}")
    endif()
    string(REPLACE "${from}" "${to}" text "${text}")
  endforeach()
  file(CONFIGURE OUTPUT ${out} CONTENT "${text}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/config/stoa.lua)
endfunction()

package_configuration(${package_build}/stoa.lua
  "\"../scripts/=>\"scripts/"
  "\"../build/page\"=>\"/usr/share/stoa/page\""
  "-- path = \"stoa.db\"=>path = \"/var/lib/stoa/stoa.db\""
  "-- control = \"stoa.sock\"=>control = \"/run/stoa/stoa.sock\"")

# ---- man pages

set(pages ${package_build}/stoa.1.gz ${package_build}/stoa.lua.5.gz)
add_custom_command(OUTPUT ${pages}
  COMMAND sed s/@VERSION@/${PROJECT_VERSION}/ ${package_source}/stoa.1 | gzip -9n > stoa.1.gz
  COMMAND $<TARGET_FILE:stoa> keys | awk -v version=${PROJECT_VERSION} -f ${package_source}/stoa.lua.5.awk
    | gzip -9n > stoa.lua.5.gz
  WORKING_DIRECTORY ${package_build} VERBATIM
  DEPENDS stoa ${package_source}/stoa.1 ${package_source}/stoa.lua.5.awk)
add_custom_target(man ALL DEPENDS ${pages})

# ---- changelogs of the packages, made from CHANGELOG.md

string(TIMESTAMP now "%s" UTC) # or SOURCE_DATE_EPOCH
set(make_changelog ${CMAKE_COMMAND} -E env LC_ALL=C TZ=UTC awk -v version=${PROJECT_VERSION} -v now=${now}
  -f ${package_source}/changelog.awk)
set(changelogs ${package_build}/changelog.gz ${package_build}/changelog.rpm)
add_custom_command(OUTPUT ${changelogs}
  COMMAND ${make_changelog} form=deb ${CMAKE_SOURCE_DIR}/CHANGELOG.md | gzip -9n > changelog.gz
  COMMAND ${make_changelog} form=rpm ${CMAKE_SOURCE_DIR}/CHANGELOG.md > changelog.rpm
  WORKING_DIRECTORY ${package_build} VERBATIM
  DEPENDS ${package_source}/changelog.awk ${CMAKE_SOURCE_DIR}/CHANGELOG.md)
add_custom_target(changelogs ALL DEPENDS ${changelogs})

# ---- files

file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/scripts/*.lua)
install(TARGETS stoa RUNTIME DESTINATION bin)
install(TARGETS stoa_testing LIBRARY DESTINATION lib/${CMAKE_LIBRARY_ARCHITECTURE}/lua/5.1/stoa)
install(CODE "execute_process(COMMAND sh ${CMAKE_SOURCE_DIR}/client/build.sh ${CMAKE_BINARY_DIR}/page
  COMMAND_ERROR_IS_FATAL ANY)")
install(DIRECTORY ${CMAKE_BINARY_DIR}/page/ DESTINATION share/stoa/page)
install(FILES ${package_build}/stoa.lua DESTINATION /etc/stoa PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
install(FILES ${scripts} DESTINATION /etc/stoa/scripts)
install(FILES ${package_source}/stoa.service DESTINATION lib/systemd/system)
install(FILES ${package_build}/stoa.1.gz DESTINATION share/man/man1)
install(FILES ${package_build}/stoa.lua.5.gz DESTINATION share/man/man5)
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/CHANGELOG.md ${CMAKE_SOURCE_DIR}/LICENSE
  ${package_source}/deb/copyright ${package_build}/changelog.gz DESTINATION share/doc/stoa)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs DESTINATION share/doc/stoa)
install(FILES ${package_source}/haproxy.cfg ${package_source}/nginx.conf ${package_source}/redis.conf
  ${CMAKE_SOURCE_DIR}/config/cluster.lua DESTINATION share/doc/stoa/examples)
install(DIRECTORY ${package_source}/postgres DESTINATION share/doc/stoa/examples)

# ---- CPack

set(conffiles /etc/stoa/stoa.lua)
foreach(script ${scripts})
  cmake_path(GET script FILENAME name)
  list(APPEND conffiles /etc/stoa/scripts/${name})
endforeach()
list(JOIN conffiles "\n" lines)
file(WRITE ${package_build}/conffiles "${lines}\n")

set(CPACK_GENERATOR DEB RPM)
set(CPACK_PACKAGE_NAME stoa)
set(CPACK_PACKAGE_CONTACT "The Stoa developers <stoa@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "real-time chat server with policies in Lua")
set(CPACK_PACKAGE_DESCRIPTION "Stock Socket.IO clients connect unchanged. A core in C owns sockets and
the durable log, Lua scripts hold the policies and are reloaded without
dropping a connection. Messages live in SQLite; no other service is needed.")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# libwebsockets-evlib-uv: libwebsockets loads it at run time, so shlibdeps does not find it. procps: the unit's /bin/kill.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libwebsockets-evlib-uv, passwd, procps")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${package_build}/conffiles
  ${package_source}/deb/postinst ${package_source}/deb/prerm ${package_source}/deb/postrm)

set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Daemons")
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_CHANGELOG_FILE ${package_build}/changelog.rpm)
set(CPACK_RPM_PACKAGE_REQUIRES_PRE shadow-utils)
set(CPACK_RPM_PRE_INSTALL_SCRIPT_FILE ${package_source}/rpm/pre)
set(CPACK_RPM_POST_INSTALL_SCRIPT_FILE ${package_source}/rpm/post)
set(CPACK_RPM_PRE_UNINSTALL_SCRIPT_FILE ${package_source}/rpm/preun)
set(CPACK_RPM_POST_UNINSTALL_SCRIPT_FILE ${package_source}/rpm/postun)
list(TRANSFORM conffiles PREPEND "%config(noreplace) " OUTPUT_VARIABLE CPACK_RPM_USER_FILELIST)
list(TRANSFORM CPACK_RPM_USER_FILELIST REPLACE "(.*/stoa.lua)$" "%attr(0640,root,stoa) \\1")
foreach(name LICENSE copyright)
  list(APPEND CPACK_RPM_USER_FILELIST "%license /usr/share/doc/stoa/${name}")
endforeach()
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION /etc /usr/lib/systemd /usr/lib/systemd/system
  /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE} /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/lua
  /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/lua/5.1 /usr/share/man /usr/share/man/man1 /usr/share/man/man5 /usr/share/doc)
include(CPack)
