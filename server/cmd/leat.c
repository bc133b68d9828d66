/* leat.c - main of the command line; layers: cli, client, wire, io, base. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
