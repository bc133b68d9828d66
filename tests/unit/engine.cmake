leat_test(engine LINK engine PkgConfig::CRYPTO)
leat_test(engine_versions LINK engine)
target_compile_definitions(test_engine PRIVATE LEAT_BROKER="${CMAKE_BINARY_DIR}/bin/leat-broker")
add_dependencies(test_engine leat-broker)
