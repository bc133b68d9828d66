leat_test(engine LINK engine PkgConfig::CRYPTO)
target_compile_definitions(test_engine PRIVATE LEAT_BROKER="${CMAKE_BINARY_DIR}/bin/leat-broker")
add_dependencies(test_engine leat-broker)
