/* OpenSSL's ChaCha20-Poly1305 (RFC 8439) in C, as often on 1,400 bytes as the argument says: what cross/cipher.sh
 * compares ours with. Its two files alone, put together as its EVP does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypto/chacha.h"
#include "crypto/poly1305.h"

enum { LEN = 1400 };

static void seal(const unsigned key[8], unsigned number, unsigned char *data, unsigned char tag[16])
{
    unsigned counter[4] = { 0, 0, number, 0 };
    unsigned char block[64] = { 0 }, lengths[16] = { 0 };
    POLY1305 poly;

    ChaCha20_ctr32(block, block, sizeof(block), key, counter);
    counter[0] = 1;
    ChaCha20_ctr32(data, data, LEN, key, counter);
    Poly1305_Init(&poly, block);
    Poly1305_Update(&poly, data, LEN);
    if (LEN % 16)
        Poly1305_Update(&poly, lengths, 16 - LEN % 16);
    lengths[8] = LEN % 256;
    lengths[9] = LEN / 256;
    Poly1305_Update(&poly, lengths, sizeof(lengths));
    Poly1305_Final(&poly, tag);
}

int main(int argc, char **argv)
{
    static unsigned char data[LEN];
    unsigned key[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    unsigned char tag[16];
    int count = argc > 1 ? atoi(argv[1]) : 1;

    memset(data, 7, LEN);
    for (int i = 0; i < count; i++)
        seal(key, i, data, tag);
    printf("%02x%02x\n", data[0], tag[0]);
    return 0;
}
void OPENSSL_cleanse(void *ptr, size_t len) { memset(ptr, 0, len); }
