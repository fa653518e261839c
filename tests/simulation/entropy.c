/* Makes a process the same each time it runs: hash tables are ordered by random numbers from the kernel, and by where
 * the kernel puts the process in memory. Preloaded into the simulation only. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    (void)flags;
    memset(buffer, 0x5a, length);
    return (ssize_t)length;
}

int getentropy(void *buffer, size_t length) {
    memset(buffer, 0x5a, length);
    return 0;
}

/* Starts the program once more, at a fixed place. */
__attribute__((constructor)) static void settle(int count, char **arguments, char **environment) {
    (void)count;
    int now = personality(0xffffffff);
    if (now == -1 || (now & ADDR_NO_RANDOMIZE)) {
        return;
    }
    if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) != -1) {
        execve("/proc/self/exe", arguments, environment);
    }
    fputs("this machine does not let a process choose its place in memory: histories may differ from run to run\n", stderr);
}
