# SPDX-License-Identifier: Apache-2.0
# cmake -DOUT=FILE -DFOLDER=FOLDER -DNAME=NAME -P embed.cmake: FOLDER's *.lua as the table NAME of struct embedded.
file(GLOB files ${FOLDER}/*.lua)
list(SORT files)
set(arrays "")
set(rows "")
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const unsigned char text_${name}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", text_${name}, sizeof text_${name}},\n")
endforeach()
file(WRITE ${OUT} "#include \"lua/sandbox.h\"\n\n${arrays}\nconst struct embedded ${NAME}[] = {\n${rows}};\n"
  "const size_t ${NAME}_len = sizeof ${NAME} / sizeof *${NAME};\n")
