/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loopback.c - for LD_PRELOAD: a program that would listen on all addresses, and cannot be told
 * otherwise, listens on 127.0.0.1. Compiled by the script that starts it.
 */
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    static const struct in6_addr mapped = {
        .s6_addr = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "bind");
    if (address->sa_family == AF_INET && len >= sizeof(v4)) {
        memcpy(&v4, address, sizeof(v4));
        if (v4.sin_addr.s_addr == htonl(INADDR_ANY))
            v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return real(fd, (struct sockaddr *)&v4, sizeof(v4));
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(v6)) {
        memcpy(&v6, address, sizeof(v6));
        if (IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr))
            v6.sin6_addr = mapped;
        return real(fd, (struct sockaddr *)&v6, sizeof(v6));
    }
    return real(fd, address, len);
}
