/* replay.c - runs a fuzz target without libFuzzer.
 *
 *   fuzz_codec corpus/codec.txt [mutations]    every input, its prefixes' ends and mutations of it
 *   fuzz_codec corpus/codec.txt -w folder      writes the inputs as files, libFuzzer's corpus
 *
 * The corpus has one input a line, in hex; '#' begins a comment. Each input lies in a heap block of
 * exactly its size. Mutations come from a fixed seed, so that a failure can be seen again. */
#include "fuzz.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 65536
#define MUTATIONS 3000

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return below ? (uint32_t)(seed >> 32) % below : 0;
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = mem_must(mem_memdup(size ? data : (const uint8_t *)"", size ? size : 1));
    LLVMFuzzerTestOneInput(copy, size);
    mem_free(copy);
}

static size_t mutate(uint8_t *p, size_t size)
{
    static const uint8_t special[] = { 0, 1, 0x7f, 0x80, 0xff };
    for (uint32_t n = 1 + draw(4); n > 0 && size > 0; n--) {
        uint32_t at = draw((uint32_t)size);
        switch (draw(5)) {
        case 0: p[at] ^= (uint8_t)(1 << draw(8)); break;
        case 1: p[at] = special[draw(sizeof special)]; break;
        case 2: p[at] = (uint8_t)draw(256); break;
        case 3: /* one byte fewer */
            memmove(p + at, p + at + 1, size - at - 1);
            size--;
            break;
        default: size -= draw(2) ? 0 : draw((uint32_t)size); break;
        }
    }
    return size;
}

static size_t parse_hex(const char *line, uint8_t *to)
{
    size_t n = 0;
    unsigned byte;
    for (; sscanf(line, "%2x", &byte) == 1 && line[0] != '\n' && line[1] != '\n'; line += 2) {
        to[n++] = (uint8_t)byte;
    }
    return n;
}

static void write_input(const char *folder, int number, const uint8_t *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%03d", folder, number);
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(data, 1, size, out) != size || fclose(out) != 0) {
        perror(path);
        exit(1);
    }
}

static void replay(const uint8_t *input, size_t size, int mutations)
{
    static uint8_t scratch[LINE_SIZE];
    for (size_t n = 0; n <= size; n++) run(input, n);
    for (int i = 0; i < mutations; i++) {
        memcpy(scratch, input, size);
        run(scratch, mutate(scratch, size));
    }
}

int main(int argc, char **argv)
{
    static char line[LINE_SIZE];
    static uint8_t input[LINE_SIZE];
    FILE *in = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!in) {
        fprintf(stderr, "usage: %s corpus.txt [mutations | -w folder]\n", argv[0]);
        return 2;
    }
    const char *folder = argc > 3 && !strcmp(argv[2], "-w") ? argv[3] : NULL;
    int mutations = argc > 2 && !folder ? (int)strtol(argv[2], NULL, 10) : MUTATIONS;
    int inputs = 0;
    while (fgets(line, sizeof line, in)) {
        if (line[0] == '#' || line[0] == '\n') continue;
        size_t size = parse_hex(line, input);
        if (folder) write_input(folder, inputs, input, size);
        else replay(input, size, mutations);
        inputs++;
    }
    fclose(in);
    printf("%d inputs, %" PRId64 " blocks leaked\n", inputs, mem_outstanding());
    return inputs == 0 || mem_outstanding() != 0;
}
