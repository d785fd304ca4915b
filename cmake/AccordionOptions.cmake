# Compiler flags shared by every target, and nothing that depends on LLVM.
find_package(Threads REQUIRED)

add_compile_options(-Wall -Wextra -Wno-unused-parameter -fvisibility=hidden)
if(ACCORDION_WERROR)
  add_compile_options(-Werror)
endif()
if(ACCORDION_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
