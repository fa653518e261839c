/* Stands in for the kernel's entropy where a history has to come out the same each time: hash tables are ordered by
 * random numbers, and so are the arms of a select. Preloaded into the simulation only. */
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    (void)flags;
    memset(buffer, 0x5a, length);
    return (ssize_t)length;
}

int getentropy(void *buffer, size_t length) {
    memset(buffer, 0x5a, length);
    return 0;
}
