/* The floor of `./bench mfg`: writes files with the bytes of a real run, and does nothing else.
 *
 *     mfg_floor LIST PACK FOLDER
 *
 * LIST has a line "SIZE PATH" for each file, PACK has their bytes one after another, FOLDER gets the files. PACK is in memory
 * before the clock starts. At the end one syncfs puts the files on the disk, as `fleetmint nvs mfg generate` does before its
 * manifest. Prints the seconds from the first file to the end of syncfs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    FILE *list = fopen(arguments[1], "r");
    int pack = open(arguments[2], O_RDONLY);
    struct stat status;
    if (!list || pack < 0 || fstat(pack, &status)) fail("inputs");
    const char *bytes = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, pack, 0);
    if (bytes == MAP_FAILED) fail("mmap");
    if (chdir(arguments[3])) fail("chdir");
    double begin = now();
    long size;
    char path[512];
    while (fscanf(list, "%ld %511s", &size, path) == 2) {
        int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (file < 0 || write(file, bytes, size) != size || close(file)) fail(path);
        bytes += size;
    }
    int folder = open(".", O_RDONLY);
    if (syncfs(folder)) fail("syncfs");
    printf("%.6f\n", now() - begin);
    return 0;
}
