# ac_tool(NAME sources...): a command-line tool linked with the compiler library.
function(ac_tool name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE AccordionCompiler)
  set_target_properties(${name} PROPERTIES BUILD_RPATH "${LLVM_LIBRARY_DIR}")
endfunction()
