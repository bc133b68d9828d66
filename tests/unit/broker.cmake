set(BROKER_RIG ${CMAKE_CURRENT_SOURCE_DIR}/broker_rig.c)
leat_test(broker SOURCES ${BROKER_RIG} LINK broker)
leat_test(broker_auth SOURCES ${BROKER_RIG} LINK broker)
leat_test(options LINK broker)
