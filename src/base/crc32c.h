/* CRC32C (Castagnoli), by ISA-L. The check value of "123456789" is 0xE3069283. */
#ifndef CODECMETER_BASE_CRC32C_H
#define CODECMETER_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* len must be below 2^31. */
uint32_t crc32c(const void *ptr, size_t len);

#endif
