leat_test(loop LINK io)
leat_test(stream LINK io)
set(TLS_KIT ${CMAKE_CURRENT_SOURCE_DIR}/tls_kit.c)
leat_test(tls SOURCES ${TLS_KIT} LINK io)
