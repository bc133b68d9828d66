set(sim ${PROJECT_SOURCE_DIR}/tests/fault/fs_sim.c ${PROJECT_SOURCE_DIR}/tests/fault/store_kit.c)
leat_test(plog KIND unit SOURCES ${sim} LINK storage)
