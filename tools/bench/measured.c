/* Runs a command and measures it, for the benchmarks: a parent of a few pages, because the peak memory of a process begins with
 * that of the one that started it.
 *
 *     measured RESULT COMMAND...
 *
 * RESULT gets the seconds, the processor seconds and the peak memory in KiB. Ends as the command does.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static double seconds(struct timeval time) { return time.tv_sec + time.tv_usec * 1e-6; }

int main(int count, char **arguments) {
    if (count < 3) return 2;
    double begin = now();
    pid_t child = fork();
    if (child == 0) {
        execvp(arguments[2], arguments + 2);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) return 1;
    double wall = now() - begin;
    FILE *result = fopen(arguments[1], "w");
    if (!result) return 1;
    fprintf(result, "%.6f %.6f %ld\n", wall, seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
    fclose(result);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
