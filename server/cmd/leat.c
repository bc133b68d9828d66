/* leat.c - main of the command line; layers: cli, client, wire, io, base. */
#include "cli/cli.h"
#include "cli/demo.h"

int main(int argc, char **argv)
{
    if (argc > 1 && str_eq_c(str_c(argv[1]), "demo")) return demo_main(argc - 1, argv + 1);
    return cli_main(argc, argv);
}
